import { describe, expect, it } from "vitest";
import { parseManifest } from "../../src/manifest/serialize.ts";
import { BUFFERS } from "./model-buffer.ts";
import { unscheduled, World } from "./world.ts";

const DAY_MS = 86_400_000;
/** Years back, a day on, to before 1970, and back to the truth. */
const JUMPS_MS = [-3000 * DAY_MS, DAY_MS, -20_000 * DAY_MS, 4000 * DAY_MS, 0];

function createdAt(world: World, name: string): string {
  return parseManifest(world.shared.everything.get(name) as Uint8Array, name).manifest.createdAt;
}

describe("a clock that jumps", () => {
  it("orders nothing: checkpoints go by epoch and sequence, within a writer and from one to the next", async () => {
    const world = new World();
    for (const skewMs of JUMPS_MS) {
      const writer = unscheduled(world, "writer", 20);
      await writer.resume();
      for (const more of [0, -DAY_MS]) {
        world.skewMs = skewMs + more;
        await writer.save(BUFFERS);
      }
    }
    world.check();
    expect(world.faults).toEqual([]);
    const names = world.commits.map(({ name }) => name);
    expect(names).toEqual(world.shared.names("checkpoints/"));
    expect(world.commits.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    // Or the clock did not jump at all.
    const times = names.map((name) => createdAt(world, name));
    expect(times).not.toEqual([...times].sort());
  });

  it("makes no pack older for a prune: the store's own clock counts", async () => {
    const world = new World();
    const first = unscheduled(world, "first", 20);
    await first.resume();
    await first.save(["a"]);
    // The pack of a save that has not come to its manifest.
    const waiting = world.shared.names("packs/").length;
    world.skewMs = 400 * DAY_MS;
    const pruner = unscheduled(world, "pruner", 20);
    await pruner.resume();
    await pruner.prune();
    expect(world.shared.names("packs/")).toHaveLength(waiting);
    expect(waiting).toBe(2);
    world.skewMs = -400 * DAY_MS;
    world.shared.nowMs += DAY_MS;
    await pruner.prune();
    expect(world.shared.names("packs/")).toHaveLength(1);
  });
});
