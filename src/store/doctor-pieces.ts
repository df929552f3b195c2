import { sha256Hex } from "../base/hash.ts";
import { type DoctorFinding, failed, isSame, ok, type PlannedCheck, skipped } from "./doctor-check.ts";
import { type DoctorSubject, randomBytesOf } from "./doctor-subject.ts";

const TOTAL_BYTES = 64 * 1024;

/** Large files of CloudSync. Checkpoints do not use it: packs are one request each. */
export const PIECE_CHECKS: readonly PlannedCheck[] = [
  { name: "pieces", needs: ["write", "read"], right: "pieces", run: uploadsInPieces },
];

async function uploadsInPieces(subject: DoctorSubject): Promise<DoctorFinding> {
  if (subject.bucket === null) return skipped("Files are sent in pieces to clouds only.");
  const { client, prefix } = subject.bucket;
  const key = prefix + subject.name("pieces");
  const bytes = randomBytesOf(TOTAL_BYTES);
  const options = { ...subject.request, totalBytes: TOTAL_BYTES, metadata: { sha256: sha256Hex(bytes) } };
  const piece = { index: 0, offset: 0, bytes, isLast: true };
  // The aborted one first: where blocks cannot be taken back, completing the other drops them.
  const aborted = await client.pieces.begin(key, options);
  await client.pieces.put(key, aborted, piece, options);
  // What was begun by others and never ended is looked for.
  await Array.fromAsync(client.pieces.open(key, subject.request));
  await client.pieces.abort(key, aborted, subject.request);
  const id = await client.pieces.begin(key, options);
  await client.pieces.put(key, id, piece, options);
  // A provider may have finished it by now; only that it may be asked for is of interest.
  await client.pieces.held(key, id, options);
  await client.pieces.complete(key, id, options);
  return isSame(await client.get(key, subject.request), bytes)
    ? ok("Large files can be sent in pieces, gone on with, and given up.")
    : failed("What was sent in pieces came back changed.");
}
