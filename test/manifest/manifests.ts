import type { Manifest, ManifestBuffer } from "../../src/manifest/manifest.ts";

export const sha = (digit: string): string => digit.repeat(64);

export const buffer: ManifestBuffer = {
  incarnation: "0123456789abcdef0123456789abcdef",
  capacity: 1000,
  fields: { observation: { dtype: "float32", shape: [3] }, action: { dtype: "float32", shape: [] } },
  logs: [{ name: "transitions", tail: 100, head: 1100, columns: [{ name: "action", dtype: "float32", shape: [] }] }],
  prioritized: { alpha: 0.6, beta: 0.4, leavesPerPage: 4096 },
  priorityPages: [1],
  meta: {
    random: { generator: [1, -2, 3, -4], spareNormal: null },
    openEnvs: [0],
    maxPriority: 1.5,
    ignoredPriorityUpdates: 0,
  },
};

/** A manifest with a buffer whose rows lie in two packs, and a state of one tensor. */
export function manifestOf(changes: Partial<Manifest> = {}): Manifest {
  return {
    magic: "varve-manifest",
    version: 1,
    requires: [],
    run: "run-1",
    epoch: 2,
    sequence: 7,
    parent: { name: "checkpoints/00000001-000000000006.json", hash: sha("a") },
    writeId: "write-7",
    step: 12,
    metrics: { validation: 12.25, loss: null },
    createdAt: "2026-01-02T03:04:05.678Z",
    packs: [
      {
        name: `packs/00000001-${sha("1")}.pack`,
        bytes: 900,
        covers: [{ log: "default/transitions", from: 0, to: 600 }],
      },
      {
        name: `packs/00000002-${sha("2")}.pack`,
        bytes: 800,
        covers: [{ log: "default/transitions", from: 600, to: 1100 }],
      },
      { name: `packs/00000002-${sha("3")}.pack`, bytes: 700, covers: [] },
    ],
    buffers: { default: buffer },
    tensors: [
      { sha256: sha("4"), dtype: "float32", length: 10, pack: 2, section: 0, storedBytes: 40 },
      { sha256: sha("5"), dtype: "float64", length: 1000, pack: 2, section: 1, storedBytes: 60 },
    ],
    state: { weights: { $tensor: 0 }, loss: { $number: "NaN" }, $$odd: "ä\u2028\ud800" },
    logicalBytes: 123_456,
    ...changes,
  };
}

/** The name of a checkpoint. */
export function nameOf(epoch: number, sequence: number): string {
  return `checkpoints/${String(epoch).padStart(8, "0")}-${String(sequence).padStart(12, "0")}.json`;
}
