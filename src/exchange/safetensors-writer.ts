import type { DType } from "../index.ts";
import { dtypeNames } from "./dtypes.ts";
import type { ExportPlan } from "./export-plan.ts";
import type { ExportTarget, ExportWriter } from "./export-target.ts";
import { type FlatLayout, FlatTarget, isFlatAsSettled } from "./flat-target.ts";
import { readPart } from "./random-access-file.ts";

/** The header is a JSON text behind its length as u64. */
const LENGTH_BYTES = 8;
/** What readers of the format accept. */
const MAX_HEADER_BYTES = 100_000_000;

/** One file of tensors, by the format of Hugging Face; what the export says of itself is in its metadata, as JSON. */
export const safetensorsWriter: ExportWriter = {
  open: (path, plan, resume): Promise<ExportTarget> => FlatTarget.open(path, plan, safetensorsLayout(plan), resume),
  isAsSettled: (path, plan, resume, signal) => isFlatAsSettled(path, safetensorsLayout(plan), resume, signal),
  async isResultOf(path, plan): Promise<boolean> {
    const { header } = safetensorsHeader(plan);
    return Buffer.from(await readPart(path, 0, header.length)).equals(header);
  },
};

function safetensorsLayout(plan: ExportPlan): FlatLayout {
  const { header, dataAt, dataBytes } = safetensorsHeader(plan);
  return {
    crcOfHeads: null,
    bytes: header.length + dataBytes,
    dataAt: new Map([...dataAt].map(([name, at]) => [name, header.length + at])),
    frame: () => [{ at: 0, bytes: header }],
  };
}

function safetensorsHeader({ arrays, metadata, identity, state }: ExportPlan): {
  readonly header: Uint8Array;
  readonly dataAt: ReadonlyMap<string, number>;
  readonly dataBytes: number;
} {
  const dataAt = new Map<string, number>();
  const entries: Record<string, unknown> = {
    __metadata__: { varve: JSON.stringify(metadata), identity, ...(state === null ? {} : { state }) },
  };
  let at = 0;
  // Wide types first: then every array is aligned to its elements.
  const width = (dtype: DType): number => dtypeNames[dtype].bytes;
  for (const { name, dtype, shape, bytes } of arrays.toSorted((a, b) => width(b.dtype) - width(a.dtype))) {
    entries[name] = { dtype: dtypeNames[dtype].safetensors, shape, data_offsets: [at, at + bytes] };
    dataAt.set(name, at);
    at += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(entries));
  const length = Math.ceil(text.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) throw new RangeError(`a header of ${length} bytes`);
  const header = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, LENGTH_BYTES);
  return { header, dataAt, dataBytes: at };
}
