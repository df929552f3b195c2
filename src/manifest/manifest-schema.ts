import { z } from "zod";
import { dtypes } from "../schema/dtype.ts";
import type { Manifest } from "./manifest.ts";
import { MAX_EPOCH, MAX_SEQUENCE, parseCheckpointName, parsePackName } from "./names.ts";

/**
 * The form of manifests: grammar of names, ranges of numbers, caps on counts. Properties that are not listed are
 * passed over: a later version may add some, and names a feature in `requires` where they matter.
 */
const count = z.int().nonnegative();
const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Names that every object has already would be found where nothing was put. */
const key = (pattern: RegExp): z.ZodString =>
  z
    .string()
    .regex(pattern)
    .refine((name) => !(name in Object.prototype));
const bufferName = key(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/);
const logName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,79})?$/);
const bufferLogName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}){1,2}$/);
const columnName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,159}$/);
const packName = z.string().refine((name) => parsePackName(name) !== undefined, "not the name of a pack");
const checkpoint = z.string().refine((name) => parseCheckpointName(name) !== undefined, "not the name of a checkpoint");

const range = { from: count, to: count };
const ref = z.object({ name: checkpoint, hash: sha256 });
const pack = z.object({
  name: packName,
  bytes: count,
  covers: z.array(z.object({ log: bufferLogName, ...range })).max(65_536),
});
const tensor = z.object({
  sha256,
  dtype: z.enum(dtypes),
  length: count,
  pack: count,
  section: count,
  storedBytes: count,
});
const column = z.object({ name: columnName, dtype: z.enum(dtypes), shape: z.array(count).max(32) });
const log = z.object({ name: logName, tail: count, head: count, columns: z.array(column).min(1).max(4096) });
const meta = z.object({
  random: z.object({ generator: z.array(z.number()).max(1024), spareNormal: z.number().nullable() }),
  openEnvs: z.array(count.max(65_535)).max(65_536),
  maxPriority: z.number().nullable(),
  ignoredPriorityUpdates: count,
});
const buffer = z.object({
  incarnation: id,
  capacity: count.min(1),
  fields: z.unknown(),
  logs: z.array(log).min(1).max(1024),
  prioritized: z.object({ alpha: z.number(), beta: z.number(), leavesPerPage: count.min(1) }).nullable(),
  priorityPages: z.array(count).max(2 ** 22),
  meta,
});

export const manifestSchema: z.ZodType<Manifest> = z.object({
  magic: z.literal("varve-manifest"),
  version: count,
  requires: z.array(z.string().max(64)).max(64),
  run: id,
  epoch: count.min(1).max(MAX_EPOCH),
  sequence: count.min(1).max(MAX_SEQUENCE),
  parent: ref.nullable(),
  writeId: id,
  step: count,
  metrics: z.record(
    key(/^[^\p{Cc}]{1,256}$/u),
    z.union([z.number(), z.null(), z.enum(["Infinity", "-Infinity", "-0"])]),
  ),
  createdAt: z.iso.datetime(),
  packs: z.array(pack).max(2 ** 20),
  buffers: z.record(bufferName, buffer),
  tensors: z.array(tensor).max(2 ** 20),
  state: z.unknown(),
  logicalBytes: count,
});

/** What every version of a manifest has: enough to tell that it is too new. */
export const envelopeSchema: z.ZodType<Pick<Manifest, "magic" | "version" | "requires">> = z.object({
  magic: z.literal("varve-manifest"),
  version: count,
  requires: z.array(z.string().max(64)).max(64),
});
