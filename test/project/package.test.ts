import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { missingEntries } from "../../tools/complete-lock.ts";

const root = join(import.meta.dirname, "..", "..");
const readJson = (name: string) => JSON.parse(readFileSync(join(root, name), "utf8")) as never;

describe("package-lock.json", () => {
  it("has an entry for every platform package, so that npm ci accepts it", () => {
    expect([...missingEntries(readJson("package-lock.json")).keys()]).toEqual([]);
  });

  it("gets entries for platform packages that npm left out, from their names", () => {
    const lock = {
      packages: {
        "node_modules/tool": {
          dev: true as const,
          license: "MIT",
          optionalDependencies: {
            "@tool/linux-x64": "1.2.3",
            "@tool/linux-arm-musleabihf": "1.2.3",
            "@tool/binding-win32-arm64-msvc": "1.2.3",
            fsevents: "~2.3.3",
          },
        },
        "node_modules/@tool/linux-x64": { version: "1.2.3" },
      },
    };
    const shared = { version: "1.2.3", dev: true, license: "MIT", optional: true };
    expect(Object.fromEntries(missingEntries(lock))).toEqual({
      "node_modules/@tool/linux-arm-musleabihf": { ...shared, cpu: ["arm"], libc: ["musl"], os: ["linux"] },
      "node_modules/@tool/binding-win32-arm64-msvc": { ...shared, cpu: ["arm64"], os: ["win32"] },
    });
  });

  it("names no host", () => {
    expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toMatch(/"resolved"/);
  });
});

describe("package.json", () => {
  it("keeps market's data an optional peer: 42 MB that saving a buffer does not need", () => {
    const { dependencies, peerDependenciesMeta } = readJson("package.json") as {
      dependencies: Record<string, string>;
      peerDependenciesMeta: Record<string, unknown>;
    };
    expect(dependencies).not.toHaveProperty("vega-datasets");
    expect(peerDependenciesMeta).toHaveProperty("vega-datasets", { optional: true });
  });
});
