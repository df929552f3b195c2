import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyBuffer, Checkpointer, ReplayBuffer } from "../../src/index.ts";
import type { NodePeer, Rows, Values } from "./node-harness.ts";
import { type Meta, type PeerData, varveFields } from "./shared-data.ts";

/** Varve, measured as the other programs are. */
export class VarvePeer implements NodePeer {
  readonly version: string;
  readonly syncs = true;
  readonly buffer: AnyBuffer;
  readonly checkpointer: Checkpointer;

  constructor(buffer: AnyBuffer, checkpointer: Checkpointer, version: string) {
    this.buffer = buffer;
    this.checkpointer = checkpointer;
    this.version = version;
  }

  add(rows: Rows, count: number): void {
    const part = (name: string, row: number): Values => {
      const values = rows[name] as Values;
      const length = values.length / count;
      return values.subarray(row * length, (row + 1) * length);
    };
    const [reward, terminated] = [rows["reward"] as Values, rows["terminated"] as Values];
    for (let row = 0; row < count; row++) {
      this.buffer.add({
        observation: part("observation", row),
        nextObservation: part("next_observation", row),
        action: part("action", row),
        reward: reward[row] as number,
        terminated: terminated[row] === 1,
        truncated: false,
      });
    }
  }

  async save(number: number): Promise<void> {
    await this.checkpointer.save({ step: number, buffer: this.buffer }).durable;
  }

  async load(number: number): Promise<void> {
    const restored = await this.checkpointer.restore({ step: number, buffer: this.buffer });
    if (restored === null) throw new Error(`There is no checkpoint ${number}`);
  }

  rows(from: number, to: number): Rows {
    const first = this.buffer.rowRange().from;
    const batch = this.buffer.readRows(first + from, first + to);
    const { observation, nextObservation, action, reward, terminated } = batch;
    return { observation, next_observation: nextObservation, action, reward, terminated };
  }

  close(): Promise<void> {
    return this.checkpointer.close().then(() => undefined);
  }
}

/** Opens a run under `work/saved` and makes an empty buffer. */
export async function openVarve(data: PeerData, meta: Meta, work: string): Promise<VarvePeer> {
  const buffer = new ReplayBuffer({ capacity: meta.capacity, fields: varveFields(data) });
  const checkpointer = await Checkpointer.open({ store: join(work, "saved") });
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  return new VarvePeer(buffer, checkpointer, version);
}
