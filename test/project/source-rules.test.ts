import { describe, expect, it } from "vitest";
import { offences } from "../../tools/check-source.ts";

/** Joined here, so that this file itself breaks no rule. */
const words = (...parts: readonly string[]) => parts.join("");

const planted: readonly (readonly [file: string, text: string, rule: string | null])[] = [
  ["src/store/a.ts", words("// TO", "DO later"), "unfinished"],
  ["src/store/a.ts", words("const st", "ubStore = 1;"), "unfinished"],
  ["src/store/a.ts", words("// enough for ", "now"), "unfinished"],
  ["src/store/a.ts", "try { f(); } catch {}", "caught error"],
  ["src/store/a.ts", "try { f(); } catch (error) {\n  // nothing\n}", "caught error"],
  ["src/store/a.ts", "try { f(); } catch (error: unknown) { /* nothing */ }", "caught error"],
  ["src/store/a.ts", "try { f(); } catch (error) { if (code(error) !== 'ENOENT') throw error; }", null],
  ["src/store/a.ts", "new Date()", "time only"],
  ["src/store/a.ts", "new Date(ms)", null],
  ["src/base/a.ts", "new Date()", null],
  ["src/manifest/a.ts", "writeSync(2, text);", "only src/cli prints"],
  ["src/checkpoint/log-lines.ts", "writeSync(2, text);", null],
  ["test/a.test.ts", words("it.on", "ly('x', f);"), "focused"],
  ["README.md", words("see /wo", "rk/main/x"), "path of one machine"],
  ["docs/a.md", "https://example.org/work/x is no path of a machine", null],
  ["package-lock.json", words('"resol', 'ved": "https://host/x.tgz"'), "package host"],
  ["src/store/fooBar.ts", "", "kebab-case"],
  ["src/store/utils.ts", "", "named after"],
];

describe("source rules", () => {
  it.each(planted)("%s: %j", (file, text, rule) => {
    const found = offences(file, text);
    if (rule === null) expect(found).toEqual([]);
    else expect(found).toEqual([expect.stringContaining(rule)]);
  });

  it("tells the line", () => {
    expect(offences("src/store/a.ts", "\n\nnew Date()")[0]).toMatch(/^src\/store\/a\.ts:3: /);
  });
});
