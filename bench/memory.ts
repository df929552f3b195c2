import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Checkpointer, ReplayBuffer, type Save } from "../src/index.ts";
import { atMost, type Bench, type Case, type Context, type Row } from "./support/bench.ts";
import { NoiseRows } from "./support/data.ts";
import { figure } from "./support/figure.ts";
import { MIB, PeakMemory, settle } from "./support/memory.ts";

/*
 * How much memory a save takes beside the buffer. The kernel's own high-water mark, set back before each save; memory
 * of blocks that left the buffer during the save is named apart, because the target allows it.
 */

const OBSERVATION = 48;
const fields = {
  observation: { dtype: "float32", shape: [OBSERVATION] },
  action: { dtype: "float32", shape: [2] },
} as const;

class Subject {
  readonly buffer: ReplayBuffer<typeof fields>;
  readonly checkpointer: Checkpointer;
  readonly #rows = new NoiseRows(OBSERVATION, 3);
  readonly #action = new Float32Array(2);
  readonly #observation = new Float32Array(OBSERVATION);
  #step = 0;

  constructor(capacity: number, checkpointer: Checkpointer) {
    this.buffer = new ReplayBuffer({ capacity, fields });
    this.checkpointer = checkpointer;
    // Twice round: every block that the buffer ever needs without a save is there, and was written to.
    this.add(2 * capacity);
  }

  add(count: number): void {
    const [observation, action] = [this.#observation, this.#action];
    for (let i = 0; i < count; i++) {
      this.#rows.write(observation);
      this.buffer.add({
        observation,
        action,
        reward: i,
        nextObservation: observation,
        terminated: false,
        truncated: false,
      });
    }
  }

  save(): Save {
    return this.checkpointer.save({ step: this.#step++, buffer: this.buffer });
  }
}

interface SaveMemory {
  readonly extraMiB: number;
  /** Growth of the buffer itself, for blocks that left it while the save still needed them. */
  readonly evictedMiB: number;
}

async function measureSave(subject: Subject, during: (save: Save) => Promise<void>): Promise<SaveMemory> {
  await settle();
  const before = subject.buffer.stats().residentBytes;
  const peak = new PeakMemory();
  const save = subject.save();
  const sampling = setInterval(() => peak.sample(), 2);
  await during(save);
  await save.durable;
  clearInterval(sampling);
  const evictedMiB = (subject.buffer.stats().residentBytes - before) / MIB;
  return { extraMiB: peak.extraBytes / MIB, evictedMiB };
}

/** Of one process; {@link combine} makes the row of the table from three. */
function rowOf(quantity: string, { extraMiB, evictedMiB }: SaveMemory): Row {
  const control = { ...figure([evictedMiB], "MiB"), name: EVICTED };
  return { quantity, varve: figure([extraMiB], "MiB"), control };
}

const EVICTED = "blocks evicted meanwhile";

function combine(rows: readonly Row[]): Row {
  const extra = rows.map(({ varve }) => varve.median);
  const evicted = rows.map(({ control }) => control?.median ?? 0);
  const beyond = figure(
    extra.map((value, i) => value - (evicted[i] as number)),
    "MiB",
  );
  const control = { ...figure(evicted, "MiB"), name: EVICTED };
  const target = atMost(beyond.median, 64, "64 MiB + blocks evicted meanwhile");
  return { quantity: rows[0]?.quantity ?? "", varve: figure(extra, "MiB"), control, target };
}

/** The buffer in MB, and how many rows it has. */
function sizeOf({ quick }: Context): { readonly megabytes: number; readonly capacity: number } {
  const megabytes = quick ? 8 : 256;
  return { megabytes, capacity: Math.round((megabytes * 1e6) / (2 * 4 * OBSERVATION + 16)) };
}

async function createSubject(context: Context): Promise<Subject> {
  const checkpointer = await Checkpointer.open({ store: join(context.scratch, "run"), maxPinnedBytes: 512 * MIB });
  return new Subject(sizeOf(context).capacity, checkpointer);
}

const savesCase: Case = {
  name: "saves",
  combine,
  async measure(context) {
    const subject = await createSubject(context);
    const first = await measureSave(subject, async () => undefined);
    subject.add(Math.round(subject.buffer.capacity / 20));
    const second = await measureSave(subject, async () => undefined);
    await subject.checkpointer.close();
    return [
      rowOf(`extra RSS, first save of ${sizeOf(context).megabytes} MB`, first),
      rowOf("extra RSS, a later save with 5 % new", second),
    ];
  },
};

/** As fast as the trainer can: by far more rows leave the buffer during the save than in training. */
const evictingCase: Case = {
  name: "saves while rows leave the buffer",
  combine,
  async measure(context) {
    const subject = await createSubject(context);
    const measured = await measureSave(subject, async (save) => {
      while (save.phase !== "durable" && save.phase !== "committed") {
        subject.add(200);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    await subject.checkpointer.close();
    return [rowOf(`extra RSS, first save of ${sizeOf(context).megabytes} MB while rows leave it`, measured)];
  },
};

/** What a careful synchronous save does: copy the buffer, so that it cannot change, then compress it. */
const copyCase: Case = {
  name: "copy and gzip",
  async measure(context) {
    const megabytes = sizeOf(context).megabytes / 4;
    const buffer = new Uint8Array(megabytes * 1e6);
    for (let i = 0; i < buffer.length; i++) buffer[i] = (i * 2_654_435_761) >>> 13;
    const extras: number[] = [];
    for (let i = 0; i < 3; i++) {
      context.progress(`run ${i + 1} of 3`);
      await settle();
      const peak = new PeakMemory();
      writeFileSync(join(context.scratch, "copy.gz"), gzipSync(buffer.slice(), { level: 6 }));
      extras.push(peak.extraBytes / (megabytes * 1e6));
    }
    const quantity = "for comparison: copy + gzip, extra RSS by size of the buffer";
    return [{ quantity, varve: figure(extras, "×") }];
  },
};

export const memory: Bench = {
  name: "memory",
  about: "how much memory a save takes beside the buffer",
  cases: [savesCase, evictingCase, copyCase],
};
