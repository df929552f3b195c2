import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/index.ts";
import { defaultConfig, diffConfig, fixedSettings, parseConfig } from "../../src/trainer/config.ts";

describe("parseConfig", () => {
  it.each(["pendulum", "mountain-car-continuous", "market"])("accepts the defaults of %s", (name) => {
    expect(parseConfig(name)).toEqual(defaultConfig(name));
  });

  it("lays overrides over the defaults in turn, at any depth", () => {
    const config = parseConfig(
      "market",
      { seed: 2, learner: { gamma: 0.9 }, environmentOptions: { window: 60 } },
      { seed: 3, generations: undefined },
    );
    expect(config).toMatchObject({ seed: 3, generations: 25, environmentOptions: { window: 60 } });
    expect(config.learner).toEqual({ ...defaultConfig("market").learner, gamma: 0.9 });
  });

  it("names every setting that is wrong", () => {
    const wrong = () => parseConfig("pendulum", { generationz: 3, learner: { gamma: 2 }, buffer: { capacity: 0 } });
    expect(wrong).toThrow(ConfigError);
    expect(wrong).toThrow(/generationz/);
    expect(wrong).toThrow(/learner\.gamma/);
    expect(wrong).toThrow(/buffer\.capacity/);
  });

  it("refuses settings that contradict each other", () => {
    expect(() => parseConfig("pendulum", { buffer: { capacity: 10 } })).toThrow(/buffer\.learningStarts/);
    const tooSmall = { buffer: { capacity: 100, learningStarts: 10 } };
    expect(() => parseConfig("pendulum", tooSmall)).toThrow(/learner\.batchSize: must not be above buffer\.capacity/);
    expect(() => parseConfig("pendulum", { evolution: { eliteFraction: 0.5 } })).toThrow(
      /evolution\.offspringFraction/,
    );
    expect(() => parseConfig("pendulum", { environment: "market" })).toThrow(/environment/);
    expect(() => parseConfig("hopper")).toThrow(/pendulum, mountain-car-continuous, market/);
  });
});

describe("diffConfig", () => {
  it("names what differs with both values", () => {
    const saved = fixedSettings(parseConfig("pendulum"));
    const now = parseConfig("pendulum", { seed: 4, learner: { gamma: 0.9 }, hiddenSizes: [32] });
    expect(diffConfig(saved, fixedSettings(now))).toEqual([
      "seed: 1 in the checkpoint, 4 now",
      "hiddenSizes: [64,64] in the checkpoint, [32] now",
      "learner.gamma: 0.98 in the checkpoint, 0.9 now",
    ]);
  });

  it("leaves out what a resumed run may change", () => {
    const saved = parseConfig("pendulum");
    const now = parseConfig("pendulum", { generations: 99, saveEvery: 5, championEpisodes: 3 });
    expect(diffConfig(saved, now)).toEqual([]);
    expect(fixedSettings(now)).toEqual(fixedSettings(saved));
  });
});
