/**
 * Names of a run's objects. Numbers are padded, so that their order as text is their order as numbers:
 *
 *   varve.json                              writers/00000003.json
 *   packs/00000003-<sha256>.pack            checkpoints/00000003-000000000012.json
 *   pins/00000003-000000000012.json         (pins the checkpoint of that number)
 */
export const RUN_FILE_NAME = "varve.json";
export const CHECKPOINTS_PREFIX = "checkpoints/";
export const WRITERS_PREFIX = "writers/";
export const PACKS_PREFIX = "packs/";
export const PINS_PREFIX = "pins/";

/**
 * In the manifest of a self-contained file, the name of the one pack there is: the file itself, whose hash cannot
 * be known inside it. No stored pack has this name.
 */
export const SELF_PACK_NAME: string = `packs/00000000-${"0".repeat(64)}.pack`;

export const MAX_EPOCH = 99_999_999;
export const MAX_SEQUENCE = 999_999_999_999;

const CHECKPOINT = /^checkpoints\/(\d{8})-(\d{12})\.json$/;
const WRITER = /^writers\/(\d{8})\.json$/;
const PACK = /^packs\/(\d{8})-([0-9a-f]{64})\.pack$/;
const PIN = /^pins\/(\d{8}-\d{12}\.json)$/;

/** Where a checkpoint stands among those of its run: by epoch, then by sequence. */
export interface CheckpointPosition {
  readonly epoch: number;
  readonly sequence: number;
}

export interface ParsedCheckpointName extends CheckpointPosition {
  readonly name: string;
}

export interface ParsedPackName {
  readonly name: string;
  readonly epoch: number;
  readonly sha256: string;
}

export function checkpointName({ epoch, sequence }: CheckpointPosition): string {
  return `${CHECKPOINTS_PREFIX}${pad(epoch, 8)}-${pad(sequence, 12)}.json`;
}

export function writerName(epoch: number): string {
  return `${WRITERS_PREFIX}${pad(epoch, 8)}.json`;
}

/** Undefined for any name that is not exactly a checkpoint's. */
export function parseCheckpointName(name: string): ParsedCheckpointName | undefined {
  const match = CHECKPOINT.exec(name);
  return match === null ? undefined : { name, epoch: Number(match[1]), sequence: Number(match[2]) };
}

/** The epoch in a writer's name; undefined for any other name. */
export function parseWriterName(name: string): number | undefined {
  const match = WRITER.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function parsePackName(name: string): ParsedPackName | undefined {
  const match = PACK.exec(name);
  return match === null ? undefined : { name, epoch: Number(match[1]), sha256: match[2] as string };
}

/** The name of the object whose presence pins a checkpoint. */
export function pinName(checkpoint: string): string {
  return PINS_PREFIX + checkpoint.slice(CHECKPOINTS_PREFIX.length);
}

/** The checkpoint that a pin's name stands for; undefined for any other name. */
export function parsePinName(name: string): string | undefined {
  const match = PIN.exec(name);
  return match === null ? undefined : CHECKPOINTS_PREFIX + match[1];
}

/** Orders checkpoints from oldest to newest. */
export function compareCheckpoints(a: CheckpointPosition, b: CheckpointPosition): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/**
 * The next sequence of a run: higher than that of any name ever seen, whole or not, in any tier, so that a number
 * never stands for two checkpoints (rule 9).
 *
 * @param names - everything listed under `checkpoints/`; names of another form are passed over
 */
export function nextSequence(names: Iterable<string>): number {
  let highest = 0;
  for (const name of names) highest = Math.max(highest, parseCheckpointName(name)?.sequence ?? 0);
  return highest + 1;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}
