import { describe, expect, it } from "vitest";
import { createRandom } from "../../src/base/random.ts";
import { InvalidArgumentError } from "../../src/errors.ts";

describe("createRandom", () => {
  it("gives unrelated first numbers for neighbouring seeds", () => {
    const firsts = Array.from({ length: 1000 }, (_, seed) => createRandom(seed).uniform());
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    const steps = firsts.slice(1).map((value, index) => Math.abs(value - (firsts[index] ?? 0)));
    const meanStep = steps.reduce((sum, value) => sum + value, 0) / steps.length;
    // Uniform and independent: mean 1/2, mean distance of two neighbours 1/3.
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    expect(Math.abs(meanStep - 1 / 3)).toBeLessThan(0.03);
  });

  it("continues exactly from a saved state, the spare normal included", () => {
    const random = createRandom(3);
    random.normal();
    const state = JSON.parse(JSON.stringify(random.state()));
    const expected = [random.normal(), random.uniform(), random.int(1000), random.normal()];
    const other = createRandom(99);
    other.setState(state);
    expect([other.normal(), other.uniform(), other.int(1000), other.normal()]).toEqual(expected);
  });

  it("has mean 0 and variance 1 for normals", () => {
    const random = createRandom(5);
    const values = Array.from({ length: 20_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });

  it("refuses a seed that is no integer", () => {
    expect(() => createRandom(1.5)).toThrow(InvalidArgumentError);
  });
});
