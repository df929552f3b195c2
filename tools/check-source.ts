// The rules that oxlint cannot express. Part of `npm run lint`.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

interface TextRule {
  readonly name: string;
  /** Every match in a file is an offence. Global, so that each is reported with its line. */
  readonly pattern: RegExp;
  readonly applies: (file: string) => boolean;
}

const inSource = (file: string) => /^src\/.*\.ts$/.test(file);

const textRules: readonly TextRule[] = [
  {
    name: "no unfinished work: write it, or leave the word out",
    pattern: /\b(?:TODO|FIXME|XXX)\b|not (?:yet )?implemented|placeholder|for now\b|\bstub/gi,
    applies: inSource,
  },
  {
    name: "a caught error is handled, or the one code that is expected is named",
    pattern: /\bcatch\s*(?:\(\w+(?::\s*\w+)?\)\s*)?\{\s*(?:\/\/[^\n]*\s*|\/\*[^*]*\*\/\s*)*\}/g,
    applies: inSource,
  },
  {
    name: "the time only through src/base (Clock)",
    pattern: /new Date\(\s*\)/g,
    applies: (file) => inSource(file) && !file.startsWith("src/base/"),
  },
  {
    name: 'only src/cli prints, and the saver when `log` is "stderr"',
    pattern: /\bwriteSync\b/g,
    applies: (file) => inSource(file) && !/^src\/(?:cli|store)\/|^src\/checkpoint\/log-lines\.ts$/.test(file),
  },
  {
    name: "a focused test hides all others",
    pattern: /\b(?:it|test|describe)\.only\b/g,
    applies: (file) => /^test\/.*\.ts$/.test(file),
  },
  {
    name: "no path of one machine, and no package host",
    pattern: /(?<![\w.-])\/(?:work|farm|root)\/|registry\.npmjs|"resolved": *"https?:/g,
    applies: () => true,
  },
];

/** One line for each offence in a file, as `file:line: rule`. */
export function offences(file: string, text: string): string[] {
  const found: string[] = [];
  for (const { name, pattern, applies } of textRules) {
    if (!applies(file)) continue;
    for (const match of text.matchAll(pattern)) {
      const line = text.slice(0, match.index).split("\n").length;
      found.push(`${file}:${line}: ${name} (${JSON.stringify(match[0].slice(0, 40))})`);
    }
  }
  if (inSource(file) && !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.d)?\.ts$/.test(basename(file)))
    found.push(`${file}: file names are kebab-case nouns`);
  if (inSource(file) && /^(?:utils?|helpers?|common|misc)\.ts$/.test(basename(file)))
    found.push(`${file}: a file is named after its main export`);
  return found;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  const files = listed.split("\n").filter((file) => file !== "" && existsSync(join(root, file)));
  const found = files.flatMap((file) => {
    const bytes = readFileSync(join(root, file));
    return bytes.includes(0) ? [] : offences(file, bytes.toString("utf8"));
  });
  for (const line of found) console.error(line);
  console.log(`${files.length} files, ${found.length} offences`);
  process.exit(found.length === 0 && files.length > 0 ? 0 : 1);
}
