import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readConfigFile } from "../../src/cli/config-file.ts";
import { ConfigError } from "../../src/index.ts";
import { folderWith, temporaryFolder } from "./run-varve.ts";

const home = process.cwd();
afterEach(() => process.chdir(home));

const NOTHING = { environment: undefined, store: undefined, local: undefined, capacity: undefined, checkpoints: {} };

describe("the configuration file", () => {
  it("is that of the current folder, where there is one", () => {
    process.chdir(folderWith({ store: "runs/a", capacity: 7, checkpoints: { keepLast: 2 }, learner: { gamma: 0.9 } }));
    expect(readConfigFile(undefined)).toEqual({
      ...NOTHING,
      ...{ path: "varve.config.json", store: "runs/a", capacity: 7, checkpoints: { keepLast: 2 } },
      training: { learner: { gamma: 0.9 } },
    });
  });

  it("need not be there, unless it is named", () => {
    process.chdir(temporaryFolder());
    expect(readConfigFile(undefined)).toEqual({ ...NOTHING, path: null, training: {} });
    expect(() => readConfigFile("varve.config.json")).toThrow(
      /^Cannot read the configuration file varve\.config\.json/,
    );
  });

  it("is refused with every setting of Varve's own that is wrong", () => {
    const path = join(temporaryFolder(), "own.json");
    const refusal = (text: string): string => {
      writeFileSync(path, text);
      try {
        readConfigFile(path);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        return (error as ConfigError).message;
      }
      return "accepted";
    };
    const both = refusal('{"capacity":0,"checkpoints":{"keepLast":1.5,"keep":1}}');
    expect(both).toContain(`The configuration in ${path} is wrong: `);
    for (const name of ["capacity: ", "checkpoints.keepLast: ", '"keep"']) expect(both).toContain(name);
    // No setting is wrong: the whole file is no object.
    expect(refusal("[]")).toContain(`The configuration in ${path} is wrong: file: `);
    expect(refusal("{")).toContain(`The configuration file ${path} is not JSON: `);
  });
});
