import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../../src/base/random.ts";
import { readConfigFile } from "../../../src/cli/config-file.ts";
import { settingsOfNewRun } from "../../../src/cli/train-settings.ts";
import { defaultConfig, parseConfig } from "../../../src/trainer/config.ts";
import type { TrainConfig } from "../../../src/trainer/contract.ts";
import { readCsvPrices } from "../../../src/trainer/market/csv-prices.ts";
import { assertRefusal, type FuzzTarget, isPartOf } from "../fuzz.ts";
import { chance, type Json, mutateBytes, mutateJson, mutateJsonText, mutateText, pick } from "../mutations.ts";
import { scratchFolder } from "../scratch-folder.ts";

const soundFile = {
  environment: "pendulum",
  ...{
    store: "./runs/a",
    local: "./first",
    capacity: 5000,
    generations: 3,
    population: 4,
    hiddenSizes: [8, 8],
    seed: 3,
  },
  buffer: { capacity: 4000, learningStarts: 300, prioritized: { alpha: 0.6, beta: 0.4 } },
  learner: { batchSize: 16, gamma: 0.9, actorLearningRate: 0.001 },
  evolution: { crossover: "blend", eliteFraction: 0.2, offspringFraction: 0.5 },
  checkpoints: { keepLast: 3, keepBest: { metric: "validation", mode: "max", count: 2 }, gracePeriodMs: 5 },
};

/** Everything in it is a plain value of its own, and no number is beyond all bounds. */
function assertPlainSettings(config: unknown): void {
  const open: unknown[] = [config];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === "function" || value === Object.prototype) throw new Error("it leads out of itself");
    if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`a setting is ${value}`);
    if (typeof value !== "object" || value === null) continue;
    if (![Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(value) as object | null)) {
      throw new Error("a prototype of its own");
    }
    open.push(...Object.values(value));
  }
}

export const configFileTarget: FuzzTarget = {
  name: "configuration file",
  mostAllocatedBytes: 64 * 1024,
  attempt(random, input) {
    const path = join(scratchFolder(), "varve.config.json");
    const text = JSON.stringify(soundFile);
    const isTree = chance(random, 0.6);
    const bytes = isTree
      ? Buffer.from(JSON.stringify(mutateJson(JSON.parse(text) as Json, random)))
      : Buffer.from(chance(random, 0.8) ? mutateJsonText(text, random) : mutateBytes(Buffer.from(text), random));
    input(bytes);
    writeFileSync(path, bytes);
    try {
      const file = readConfigFile(path);
      assertPlainSettings(file.checkpoints);
      assertPlainSettings(settingsOfNewRun(undefined, {}, file));
      const said = JSON.parse(bytes.toString("utf8")) as Record<string, unknown>;
      if (!isPartOf(file.training, said) || !isPartOf(file.checkpoints, said["checkpoints"] ?? {})) {
        throw new Error("what was read is not what the file says");
      }
      return "accepted";
    } catch (error) {
      return assertRefusal(error, { codes: ["VARVE_CONFIG"] });
    }
  },
};

export const trainerConfigTarget: FuzzTarget = {
  name: "trainer configuration",
  mostAllocatedBytes: 64 * 1024,
  attempt(random, input) {
    const environment = pick(random, ["pendulum", "market", "mountain-car-continuous"]);
    const overrides = Array.from({ length: 1 + random.int(2) }, (): Json => {
      const { environment: _, ...settings } = structuredClone(defaultConfig(environment)) as TrainConfig & {
        [key: string]: Json;
      };
      return mutateJson(chance(random, 0.5) ? settings : { buffer: settings["buffer"] as Json }, random);
    });
    input(overrides);
    try {
      const config = parseConfig(environment, ...overrides);
      assertPlainSettings(config);
      // What was taken is taken again, as it is: a resumed run reads what a checkpoint says.
      if (!isPartOf(parseConfig(environment, config), config)) throw new Error("it is read otherwise a second time");
      return "accepted";
    } catch (error) {
      return assertRefusal(error, { codes: ["VARVE_CONFIG"] });
    }
  },
};

const CSV = [
  "date,open,high,low,close,adj close,symbol",
  "2020-01-02,10.5,11,10,10.75,10.7,AAA",
  "2020-01-03,10.75,12,10.5,11.5,11.4,AAA",
  "2020-01-02,1e3,1.1e3,9e2,950,950,BBB",
  '2020-01-06,NA,,"",null,-,"B,B"',
].join("\n");

const CELLS = [
  ...[
    "1e308",
    "1e-320",
    "0",
    "-1",
    "NaN",
    "Infinity",
    "1e999",
    "0x10",
    "__proto__",
    "constructor",
    '"',
    '""',
    "2020-01-02",
  ],
  ...["2020-13-45", "x".repeat(3000), "\u0000", "\ufeff", "close", "date,date", "=1+1", "١٢", "1,000", " 7 ", "\r"],
];

function hostileCsv(random: Random): Buffer {
  if (chance(random, 0.2)) return Buffer.from(mutateBytes(Buffer.from(CSV), random));
  if (chance(random, 0.4)) return Buffer.from(mutateText(CSV, random));
  const rows = CSV.split("\n").map((line) => line.split(","));
  for (let change = random.int(3); change >= 0; change--) {
    const row = pick(random, rows);
    row[random.int(row.length)] = pick(random, CELLS);
  }
  return Buffer.from(rows.map((row) => row.join(",")).join("\n"));
}

export const csvTarget: FuzzTarget = {
  name: "CSV prices",
  mostAllocatedBytes: 1024 * 1024,
  attempt(random, input) {
    const path = join(scratchFolder(), "prices.csv");
    const bytes = hostileCsv(random);
    input(bytes);
    writeFileSync(path, bytes);
    try {
      const table = readCsvPrices([path]);
      for (const prices of [table.open, table.high, table.low, table.close]) {
        const wrong = prices.find((price) => !Number.isNaN(price) && !(price > 0 && Number.isFinite(price)));
        if (wrong !== undefined) throw new Error(`a price is ${wrong}`);
      }
      if (table.dates.some((date) => !/^\d{4}-\d{2}-\d{2}$/.test(date))) throw new Error("a date");
      return "accepted";
    } catch (error) {
      return assertRefusal(error, { codes: ["VARVE_CONFIG"], names: path });
    }
  },
};
