import { CorruptError, FormatVersionError } from "../errors.ts";
import type { CodecSpec } from "./contract.ts";
import type { ShuffleElementSize } from "./shuffle.ts";

/** What the codecs of a section do, in the order of encoding. */
export interface CodecChain {
  readonly delta: boolean;
  /** For `varve.next-of`: which column the rows repeat, and how many rows are stored all the same. */
  readonly nextOf: { readonly observation: string; readonly exceptions: number } | null;
  /** 1: the bytes are left in place. */
  readonly elementSize: 1 | ShuffleElementSize;
  readonly zstd: boolean;
}

export const ZSTD_LEVEL = 1;

/** The codecs as the index lists them: Zarr v3's, except for `varve.next-of`, which takes the place of `bytes`. */
export function codecSpecs(chain: CodecChain): CodecSpec[] {
  const specs: CodecSpec[] = [];
  const { nextOf, elementSize } = chain;
  if (chain.delta) specs.push({ name: "numcodecs.delta", configuration: { dtype: "<u4" } });
  if (nextOf === null) specs.push({ name: "bytes", configuration: { endian: "little" } });
  else specs.push({ name: "varve.next-of", configuration: { ...nextOf, env: "env", elementsize: elementSize } });
  if (nextOf === null && elementSize > 1) {
    specs.push({ name: "numcodecs.shuffle", configuration: { elementsize: elementSize } });
  }
  if (chain.zstd) specs.push({ name: "zstd", configuration: { level: ZSTD_LEVEL, checksum: false } });
  return specs;
}

/**
 * Reads a list of codecs: `[numcodecs.delta,] bytes [, numcodecs.shuffle] [, zstd]` or `varve.next-of [, zstd]`.
 *
 * @throws FormatVersionError for a codec that this version does not know, CorruptError for any other list
 */
export function parseCodecs(specs: readonly CodecSpec[], objectName: string): CodecChain {
  const known = ["numcodecs.delta", "bytes", "varve.next-of", "numcodecs.shuffle", "zstd"];
  const unknown = specs.find((spec) => !known.includes(spec.name));
  if (unknown !== undefined) throw new FormatVersionError(objectName, `unknown codec "${unknown.name}"`);
  const rest = [...specs];
  const take = (name: string): CodecSpec | undefined => (rest[0]?.name === name ? rest.shift() : undefined);
  const delta = take("numcodecs.delta");
  const serializer = take("bytes") ?? take("varve.next-of");
  const isNextOf = serializer?.name === "varve.next-of";
  const shuffled = isNextOf ? serializer : take("numcodecs.shuffle");
  const zstd = take("zstd");
  const elementSize = shuffled?.configuration["elementsize"] ?? 1;
  const isSound =
    serializer !== undefined &&
    rest.length === 0 &&
    (isNextOf || serializer.configuration["endian"] === "little") &&
    (delta === undefined || (!isNextOf && delta.configuration["dtype"] === "<u4")) &&
    isElementSize(elementSize);
  if (!isSound) throw new CorruptError(objectName, `codecs ${specs.map((spec) => spec.name).join(", ")} do not fit`);
  const nextOf = isNextOf ? parseNextOf(serializer, objectName) : null;
  return { delta: delta !== undefined, nextOf, elementSize, zstd: zstd !== undefined };
}

function isElementSize(value: unknown): value is 1 | ShuffleElementSize {
  return value === 1 || value === 2 || value === 4 || value === 8;
}

function parseNextOf({ configuration }: CodecSpec, objectName: string): NonNullable<CodecChain["nextOf"]> {
  const { observation, exceptions, env } = configuration;
  if (typeof observation !== "string" || env !== "env" || typeof exceptions !== "number") {
    throw new CorruptError(objectName, "the parameters of varve.next-of are not those that it has");
  }
  if (!Number.isSafeInteger(exceptions) || exceptions < 0) {
    throw new CorruptError(objectName, `varve.next-of declares ${exceptions} stored rows`);
  }
  return { observation, exceptions };
}
