import type { z } from "zod";
import { parseStrictJson } from "../base/strict-json.ts";
import { CorruptError, FormatVersionError } from "../errors.ts";

/** The small JSON files of a run (run file, writers, pins) are at most this long, and nest at most this deep. */
const MAX_BYTES = 64 * 1024;
const MAX_DEPTH = 8;

export function writeSmallFile(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

/**
 * Parses a small file and checks its form.
 *
 * @throws CorruptError; FormatVersionError when it has a magic, and a version other than 1
 */
export function readSmallFile<Output>(schema: z.ZodType<Output>, bytes: Uint8Array, objectName: string): Output {
  if (bytes.length > MAX_BYTES) throw new CorruptError(objectName, `it is ${bytes.length} bytes long`);
  let value: unknown;
  try {
    value = parseStrictJson(bytes, MAX_DEPTH);
  } catch (error) {
    throw new CorruptError(objectName, (error as Error).message, error);
  }
  const version = (value as { version?: unknown } | null)?.version;
  if (Number.isSafeInteger(version) && (version as number) > 1) {
    throw new FormatVersionError(objectName, `format ${String(version)}, expected 1`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CorruptError(objectName, `${issue?.path.join(".")}: ${issue?.message}`);
}
