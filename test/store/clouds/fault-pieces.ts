import { createHash } from "node:crypto";
import { expect } from "vitest";
import { crc32c } from "../../../src/base/hash.ts";
import { randomId } from "../../../src/base/ids.ts";
import type { Piece, PieceUploads } from "../../../src/store/object-client.ts";
import { withRetry } from "../../../src/transfer/retry.ts";
import type { ChaosFault } from "../../servers/chaos-proxy.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";
import { type Bench, type CloudUnderTest, SMALL } from "./fault-bench.ts";
import { ANYWHERE, UPWARDS, WORDS_UPWARDS } from "./fault-cells.ts";
import { type Operation, OURS } from "./fault-operations.ts";

/** A file of one piece, the last. */
const LAST: Piece = { index: 0, offset: 0, bytes: OURS, isLast: true };
const WHOLE = {
  totalBytes: OURS.byteLength,
  metadata: { sha256: createHash("sha256").update(OURS).digest("hex") },
  crc32c: crc32c(OURS),
};

/** A file of which only the first piece is there. */
const FIRST: Piece = { index: 0, offset: 0, bytes: new Uint8Array(SMALL.pieceBytes), isLast: false };
const LARGER = { totalBytes: SMALL.pieceBytes + 5, metadata: { sha256: "a".repeat(64) } };

const newKey = ({ prefix }: Bench): string => `${prefix}pieces/${randomId()}`;

const begun = async (bench: Bench, file: typeof WHOLE | typeof LARGER): Promise<void> => {
  const key = newKey(bench);
  bench.upload = { key, id: await bench.insideClient.pieces.begin(key, file) };
};
const withLast = async (bench: Bench): Promise<void> => {
  await begun(bench, WHOLE);
  await bench.insideClient.pieces.put(bench.upload.key, bench.upload.id, LAST, WHOLE);
};
const withFirst = async (bench: Bench): Promise<void> => {
  await begun(bench, LARGER);
  await bench.insideClient.pieces.put(bench.upload.key, bench.upload.id, FIRST, LARGER);
};
/** For what only looks at an upload: one for all of them. */
const kept = new WeakMap<RunningCloud, Bench["upload"]>();
const withFirstKept = async (bench: Bench): Promise<void> => {
  const { cloud } = bench;
  const upload = kept.get(cloud);
  if (upload === undefined) {
    await withFirst(bench);
    kept.set(cloud, bench.upload);
  } else bench.upload = upload;
};

function step<Result>({ client, retry }: Bench, work: (pieces: PieceUploads) => Promise<Result>): Promise<Result> {
  return withRetry(() => work(client.pieces), retry);
}

const isWhole = async ({ insideClient, upload: { key } }: Bench): Promise<void> => {
  const found = await insideClient.get(key);
  expect(found !== null && Buffer.compare(found, OURS) === 0, "the object is not the file").toBe(true);
  expect((await insideClient.head(key))?.metadata).toEqual(WHOLE.metadata);
};
const isAbsent = async ({ insideClient, upload: { key } }: Bench): Promise<void> =>
  expect(await insideClient.get(key), "what was not completed is seen").toBeNull();
const isCompleted = async (bench: Bench): Promise<void> => {
  const { insideClient, upload } = bench;
  await insideClient.pieces.complete(upload.key, upload.id, WHOLE);
  await isWhole(bench);
};
const heldNow = async ({ insideClient, upload: { key, id } }: Bench): Promise<number | null> =>
  insideClient.pieces.held(key, id, LARGER);

const BEGIN: Operation = {
  name: "begin an upload",
  cells: [...ANYWHERE, ...WORDS_UPWARDS],
  prepare: async (bench) => {
    bench.upload = { key: newKey(bench), id: "" };
  },
  run: async (bench) => {
    const { key } = bench.upload;
    bench.upload = { key, id: await step(bench, (pieces) => pieces.begin(key, WHOLE)) };
  },
  check: async (bench) => {
    const { key, id } = bench.upload;
    const { pieces } = bench.insideClient;
    try {
      await pieces.put(key, id, LAST, WHOLE);
      await pieces.complete(key, id, WHOLE);
    } catch (error) {
      // Where the description of the file was corrupted, that is when it is noticed.
      expect(error).toMatchObject({ code: "VARVE_STORE" });
      expect(bench.proxy.seen, "an upload that was begun rightly was refused").toHaveLength(1);
      return;
    }
    await isWhole(bench);
  },
  checkRefused: isAbsent,
};

const PUT: Operation = {
  name: "put a piece",
  cells: [...ANYWHERE, ...UPWARDS],
  prepare: (bench) => begun(bench, WHOLE),
  run: (bench) => step(bench, (pieces) => pieces.put(bench.upload.key, bench.upload.id, LAST, WHOLE)),
  check: isCompleted,
  checkRefused: isAbsent,
};

const HELD: Operation = {
  name: "ask how many pieces are held",
  cells: ANYWHERE,
  prepare: withFirstKept,
  run: (bench) => step(bench, (pieces) => pieces.held(bench.upload.key, bench.upload.id, LARGER)),
  check: async (_, result) => expect(result).toBe(1),
};

/** The server did what it was asked, and said so in vain. */
const AFTERWARDS: readonly ChaosFault["kind"][] = ["answer lost", "answer reset", "answer truncated", "answer stalled"];

const COMPLETE: Operation = {
  name: "complete an upload",
  cells: [...ANYWHERE, ...WORDS_UPWARDS],
  prepare: withLast,
  run: (bench) => step(bench, (pieces) => pieces.complete(bench.upload.key, bench.upload.id, WHOLE)),
  check: isWhole,
  mayBeTold: ({ kind }) => AFTERWARDS.includes(kind),
  // A provider may forget the upload with that: whoever uploads looks whether the object is there.
  checkTold: async (bench) => {
    const isThere = (await bench.insideClient.head(bench.upload.key)) !== null;
    await (isThere ? isWhole(bench) : isCompleted(bench));
  },
};

const ABORT: Operation = {
  name: "abort an upload",
  cells: ANYWHERE,
  prepare: withFirst,
  run: (bench) => step(bench, (pieces) => pieces.abort(bench.upload.key, bench.upload.id)),
  check: async (bench) => expect(await heldNow(bench)).toBeNull(),
  checkRefused: async (bench) => expect(await heldNow(bench)).toBe(1),
};

const OPEN: Operation = {
  name: "list uploads under way",
  cells: ANYWHERE,
  prepare: withFirstKept,
  run: (bench) => step(bench, (pieces) => Array.fromAsync(pieces.open(bench.upload.key), ({ id }) => id)),
  check: async ({ upload }, result) => expect(result).toEqual([upload.id]),
};

/** The steps of an upload in pieces, each sent again by itself when it fails; every request of each meets the faults. */
export function pieceOperations({ pieceRequests, corruptionEndsUpload = false }: CloudUnderTest): readonly Operation[] {
  const put: Operation = {
    ...PUT,
    mayBeTold: ({ kind }) => corruptionEndsUpload && kind === "request bit flipped",
    checkTold: isAbsent,
  };
  const steps = { begin: BEGIN, put, held: HELD, complete: COMPLETE, abort: ABORT, open: OPEN };
  return Object.entries(steps).flatMap(([kind, operation]) =>
    Array.from({ length: pieceRequests[kind as keyof typeof steps] }, (_, nth) => ({
      ...operation,
      name: `${operation.name}, request ${nth + 1}`,
      nth,
    })),
  );
}
