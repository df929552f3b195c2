import type { z } from "zod";
import { sha256Hex } from "../base/hash.ts";
import { parseStrictJson } from "../base/strict-json.ts";
import { compressZstd, decompressZstd, isZstd } from "../base/zstd.ts";
import { CorruptError, FormatVersionError } from "../errors.ts";
import { findInconsistency } from "./cross-check.ts";
import { FORMAT_VERSION, type Manifest } from "./manifest.ts";
import { envelopeSchema, manifestSchema } from "./manifest-schema.ts";

export interface SerializedManifest {
  /** What is stored. */
  readonly bytes: Uint8Array;
  /** SHA-256 over the JSON up to the property `hash`: what a child's `parent.hash` says. */
  readonly hash: string;
}

export interface ParsedManifest {
  readonly manifest: Manifest;
  readonly hash: string;
}

/** Features of manifests that this version knows. */
export const knownFeatures: readonly string[] = [];

/** Smaller files stay readable by eye. */
const COMPRESS_ABOVE_BYTES = 64 * 1024;
const LEVEL = 3;
const MAX_JSON_BYTES = 128 * 1024 * 1024;
/** State nests 200 levels deep at most; the rest is what lies around it. */
const MAX_DEPTH = 256;

const HASH_PREFIX = ',"hash":"';
const HASH_LENGTH = 64;
const HASH_SUFFIX = '"}';
const TAIL_BYTES = HASH_PREFIX.length + HASH_LENGTH + HASH_SUFFIX.length;

/**
 * Turns a manifest into the bytes of its file; equal manifests give equal bytes (with the same zstd).
 *
 *   {"magic":"varve-manifest", … ,"hash":"<64 hex>"}     the hash is over everything before `,"hash":"`
 *
 * @throws CorruptError when a reader would refuse the result: better to fail the save than to find out later
 */
export function serializeManifest(manifest: Manifest, objectName = "manifest"): SerializedManifest {
  const { json, hash } = manifestJson(manifest, objectName);
  const isLarge = json.length > COMPRESS_ABOVE_BYTES;
  return { bytes: isLarge ? compressZstd(json, LEVEL) : json, hash };
}

function manifestJson(manifest: Manifest, objectName: string): { json: Uint8Array; hash: string } {
  const encoder = new TextEncoder();
  const ordered = propertyOrder.map((key) => [key, manifest[key] ?? null]);
  const body = JSON.stringify(Object.fromEntries(ordered)).slice(0, -1);
  const bodyBytes = encoder.encode(body);
  const hash = sha256Hex(bodyBytes);
  const json = encoder.encode(body + HASH_PREFIX + hash + HASH_SUFFIX);
  checkManifest(parseJson(json, objectName), objectName);
  return { json, hash };
}

const propertyOrder: readonly (keyof Manifest)[] = [
  "magic",
  "version",
  "requires",
  "run",
  "epoch",
  "sequence",
  "parent",
  "writeId",
  "step",
  "metrics",
  "createdAt",
  "logicalBytes",
  "packs",
  "buffers",
  "tensors",
  "state",
];

/**
 * Reads a manifest: hash first, then version and features, form, and consistency.
 *
 * @param objectName - for error messages
 * @throws CorruptError, or FormatVersionError for an intact manifest that this version must not touch
 */
export function parseManifest(bytes: Uint8Array, objectName: string): ParsedManifest {
  const json = isZstd(bytes) ? decompress(bytes, objectName) : bytes;
  if (json.length > MAX_JSON_BYTES) throw new CorruptError(objectName, "it is too large");
  const hash = checkHash(json, objectName);
  return { manifest: checkManifest(parseJson(json, objectName), objectName), hash };
}

function decompress(bytes: Uint8Array, objectName: string): Uint8Array {
  try {
    return decompressZstd(bytes, MAX_JSON_BYTES);
  } catch (error) {
    throw new CorruptError(objectName, (error as Error).message, error);
  }
}

function checkHash(json: Uint8Array, objectName: string): string {
  const bodyLength = Math.max(0, json.length - TAIL_BYTES);
  const tail = new TextDecoder("latin1").decode(json.subarray(bodyLength));
  const declared = tail.slice(HASH_PREFIX.length, HASH_PREFIX.length + HASH_LENGTH);
  if (tail !== HASH_PREFIX + declared + HASH_SUFFIX) throw new CorruptError(objectName, "it does not end in a hash");
  const hash = sha256Hex(json.subarray(0, bodyLength));
  if (hash !== declared) throw new CorruptError(objectName, `its hash is ${hash}, expected ${declared}`);
  return hash;
}

function parseJson(json: Uint8Array, objectName: string): unknown {
  try {
    return parseStrictJson(json, MAX_DEPTH);
  } catch (error) {
    throw new CorruptError(objectName, (error as Error).message, error);
  }
}

/** Checks an embedded manifest, such as that of a self-contained file, which the pack's own checksums protect. */
export function checkManifest(value: unknown, objectName: string): Manifest {
  const { version, requires } = parse(envelopeSchema, value, objectName);
  if (version !== FORMAT_VERSION) {
    throw new FormatVersionError(objectName, `manifest format ${version}, expected ${FORMAT_VERSION}`);
  }
  const unknown = requires.find((feature) => !knownFeatures.includes(feature));
  if (unknown !== undefined) throw new FormatVersionError(objectName, `it requires the unknown feature "${unknown}"`);
  const manifest = parse(manifestSchema, value, objectName);
  const fault = findInconsistency(manifest);
  if (fault !== null) throw new CorruptError(objectName, fault);
  return manifest;
}

function parse<Output>(schema: z.ZodType<Output>, value: unknown, objectName: string): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CorruptError(objectName, `${issue?.path.join(".")}: ${issue?.message}`);
}
