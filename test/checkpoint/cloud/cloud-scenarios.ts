import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ReplayBuffer, type Transfer } from "../../../src/index.ts";
import { addInline, inlineBuffer, temporaryFolder } from "../support.ts";
import { train } from "./child.ts";
import { type CloudPlaceOfTest, openCloud, type ProviderOfTest } from "./places.ts";

/**
 * The script of the note that Varve began with: four scenarios and a clean end.
 *
 * @param start - of the provider, once for all of them
 */
export function cloudScenarios(provider: string, start: () => Promise<ProviderOfTest>): void {
  describe(`CloudSync with ${provider}`, () => {
    let running: ProviderOfTest;
    let place: CloudPlaceOfTest;
    beforeAll(async () => {
      running = await start();
    });
    afterAll(() => running.close());

    async function setUp() {
      place = await running.newPlace();
      const folder = await temporaryFolder();
      return { cloud: openCloud(place.options), folder, project: place.options.project };
    }

    it("uploads one file in the background", async () => {
      const { cloud, folder, project } = await setUp();
      await writeFile(join(folder, "test.txt"), "one file");
      const transfer = cloud.uploadFile(join(folder, "test.txt"), undefined, { background: true });
      expect("then" in transfer).toBe(false);
      expect(cloud.uploadStatus()).toMatchObject({ pending: 1, completed: 0, failed: 0 });
      const result = await transfer.finished;
      expect(result).toMatchObject({ files: 1, unchanged: 0, bytes: 8 });
      expect(transfer).toMatchObject({ phase: "finished", bytes: 8, totalBytes: 8, retries: 0, error: null });
      expect(cloud.uploadStatus()).toMatchObject({ pending: 0, completed: 1, failed: 0 });
      expect(await place.read(`${project}/test.txt`)).toBe("one file");
      // Nothing is sent again that has not changed.
      expect(await cloud.uploadFile(join(folder, "test.txt"))).toMatchObject({ files: 0, unchanged: 1, bytes: 0 });
    });

    it("uploads five files in parallel, and waits for them at its end", async () => {
      const { cloud, folder, project } = await setUp();
      const numbers = [1, 2, 3, 4, 5];
      for (const i of numbers) await writeFile(join(folder, `f${i}`), "x".repeat(i * 10_000));
      for (const i of numbers) cloud.uploadFile(join(folder, `f${i}`), `${project}/many/f${i}`, { background: true });
      expect(cloud.uploadStatus().pending).toBe(5);
      expect(await cloud.waitForUploads()).toEqual({ succeeded: 5, failed: 0, pending: 0, paused: 0, errors: [] });
      expect(await place.names(`${project}/many/`)).toEqual(numbers.map((i) => `${project}/many/f${i}`));
      expect(await cloud.shutdown()).toEqual({ succeeded: 5, failed: 0, pending: 0, paused: 0, errors: [] });
    });

    it("ends two saves and an upload to one cloud path in the order of the calls", async () => {
      const { cloud, folder } = await setUp();
      const buffer = inlineBuffer({ capacity: 5000 });
      const order: string[] = [];
      const note = (name: string, { finished }: Transfer): void => void finished.then(() => order.push(name));
      addInline(buffer, 4000);
      note("first", cloud.saveAndUploadBuffer(buffer, join(folder, "a.varve"), "one/buffer"));
      addInline(buffer, 10);
      note("second", cloud.saveAndUploadBuffer(buffer, join(folder, "b.varve"), "one/buffer"));
      await writeFile(join(folder, "small"), "small");
      note("third", cloud.uploadFile(join(folder, "small"), "one/buffer", { background: true }));
      expect(await cloud.waitForUploads()).toMatchObject({ succeeded: 3, failed: 0 });
      expect(order).toEqual(["first", "second", "third"]);
      expect(await place.read("one/buffer")).toBe("small");
    });

    it("uploads a directory without what is excluded, and gets it back", async () => {
      const { cloud, folder, project } = await setUp();
      const source = join(folder, "source");
      await mkdir(join(source, "deep", "er"), { recursive: true });
      await writeFile(join(source, "population.bin"), "population");
      await writeFile(join(source, "replay_buffer.bin"), "large");
      await writeFile(join(source, "deep", "er", "agent 1.bin"), "agent");
      await writeFile(join(source, "half.tmp"), "half");
      const options = { background: true, exclude: ["replay_buffer*"] };
      const { finished } = cloud.syncCheckpoints(source, options);
      expect(await finished).toMatchObject({ files: 2, unchanged: 0, bytes: 15 });
      const names = ["deep/er/agent 1.bin", "population.bin"].map((path) => `${project}/checkpoints/${path}`);
      expect(await place.names(`${project}/checkpoints/`)).toEqual(names);

      await writeFile(join(source, "population.bin"), "Population");
      expect(await cloud.syncCheckpoints(source, { exclude: ["replay_buffer*"] })).toMatchObject({
        ...{ files: 1, unchanged: 1, bytes: 10 },
      });

      expect(await cloud.fileExists("population.bin")).toBe(true);
      expect(await cloud.fileExists("replay_buffer.bin")).toBe(false);
      const target = join(folder, "target");
      expect(await cloud.downloadCheckpoints(target)).toMatchObject({ files: 2, bytes: 15 });
      expect(await readFile(join(target, "deep", "er", "agent 1.bin"), "utf8")).toBe("agent");
      expect(await readFile(join(target, "population.bin"), "utf8")).toBe("Population");
      await cloud.downloadFile(`${project}/checkpoints/population.bin`, join(folder, "one.bin"));
      expect(await readFile(join(folder, "one.bin"), "utf8")).toBe("Population");
    });

    it("saves and uploads a buffer while training goes on in a loop that never yields", async () => {
      const { cloud, folder, project } = await setUp();
      const localPath = join(folder, "new", "buffer.varve");
      const task = {
        cloud: { ...place.options, log: "stderr" },
        localPath,
        ending: "loop",
        shape: [504, 108, 9],
      } as const;
      const { code, output, errors } = await train(task);
      expect(code).toBe(0);
      const seen = JSON.parse(output) as Record<string, unknown>;
      expect(seen).toMatchObject({ phase: "finished", status: { pending: 0, completed: 1, failed: 0 } });
      expect(seen["bytes"]).toBe(seen["totalBytes"]);
      expect(seen["bytes"]).toBeGreaterThan(1_000_000);
      // The loop looks between two steps: where all cores are busy a phase can be over by then, but none is out of order.
      const order = ["waiting", "saving", "waiting", "uploading", "finished"].join(" ");
      const phases = seen["phases"] as string[];
      expect(order).toMatch(new RegExp(phases.join("( .*)? ")));
      expect(phases.at(-1)).toBe("finished");
      // Training went on meanwhile.
      expect(seen["steps"]).toBeGreaterThan(0);
      await cloud.downloadFile(`${project}/buffer.varve`, join(folder, "copy.varve"));
      expect((await readFile(join(folder, "copy.varve"))).equals(await readFile(localPath))).toBe(true);
      expect((await ReplayBuffer.load(join(folder, "copy.varve"))).size).toBe(50);
      expect(errors.split("\n").map((line) => line.replace(/[0-9.]+ (ms|MB)/g, "N $1"))).toEqual([
        `varve: ${localPath} queued: 50 transitions, N MB`,
        expect.stringMatching(/^varve: .* saved: N MB, 99\.\d % smaller than N MB, N ms$/),
        expect.stringMatching(/^varve: uploaded .* → .*buffer\.varve: N MB, N ms$/),
        "",
      ]);
    });
  });
}
