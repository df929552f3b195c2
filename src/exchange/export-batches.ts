import type { CheckpointReader, TypedArray } from "../index.ts";
import { type ExportPlan, type ExportSection, fieldOfIds } from "./export-plan.ts";

/** How far an export is: sections before this one are whole, of this one the first `done` rows, frames or elements. */
export interface ExportPosition {
  readonly section: number;
  readonly done: number;
}

/** Rows, frames or elements [from, to) of a section, counted from where the section begins. */
export interface ExportBatch {
  readonly section: number;
  readonly from: number;
  readonly to: number;
  /** By array name, bytes in C order, little-endian. */
  readonly arrays: ReadonlyMap<string, Uint8Array>;
}

/** Reads what a plan contains, from a position on, in order. Holds one batch. */
export async function* readBatches(
  reader: CheckpointReader,
  plan: ExportPlan,
  position: ExportPosition,
  signal?: AbortSignal,
): AsyncGenerator<ExportBatch> {
  for (const [number, section] of plan.sections.entries()) {
    if (number < position.section) continue;
    const done = number === position.section ? position.done : 0;
    for await (const batch of readSection(reader, plan, section, done, signal)) yield { section: number, ...batch };
  }
}

type SectionBatch = Omit<ExportBatch, "section">;

function readSection(
  reader: CheckpointReader,
  plan: ExportPlan,
  section: ExportSection,
  done: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<SectionBatch> {
  if (section.kind === "rows") return readRows(reader, plan, section, done, signal);
  if (section.kind === "frames") return readFrames(reader, plan, section, done, signal);
  return readTensor(reader, section, done, signal);
}

async function* readRows(
  reader: CheckpointReader,
  { buffer, asFrames, sections }: ExportPlan,
  { from, to }: ExportSection,
  done: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<SectionBatch> {
  const firstFrames = new Map(
    sections.flatMap((section) => (section.kind === "frames" ? [[section.field, section.from] as const] : [])),
  );
  const observations = asFrames ? "ids" : "whole";
  for await (const batch of reader.rows({ buffer: buffer ?? "", from: from + done, to, observations, signal })) {
    const arrays = new Map<string, Uint8Array>();
    for (const [name, values] of Object.entries(batch.columns)) {
      const first = firstFrames.get(fieldOfIds(name) ?? "") ?? 0;
      // Only a part of the frames may be exported: ids count from the first of them.
      if (first > 0) for (let at = 0; at < values.length; at++) values[at] = (values[at] as number) - first;
      arrays.set(name, bytesOf(values));
    }
    yield { from: batch.from - from, to: batch.to - from, arrays };
  }
}

async function* readFrames(
  reader: CheckpointReader,
  { buffer }: ExportPlan,
  { field, array, from, to }: Extract<ExportSection, { kind: "frames" }>,
  done: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<SectionBatch> {
  for await (const batch of reader.frames(field, { buffer: buffer ?? "", from: from + done, to, signal })) {
    const frames = batch.columns["frame"] as TypedArray;
    yield { from: batch.from - from, to: batch.to - from, arrays: new Map([[array, bytesOf(frames)]]) };
  }
}

async function* readTensor(
  reader: CheckpointReader,
  { index, array }: Extract<ExportSection, { kind: "tensor" }>,
  done: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<SectionBatch> {
  let at = 0;
  for await (const piece of reader.tensor(index, { signal })) {
    const from = at;
    at += piece.length;
    // Where an earlier export ended, a piece did: batches are what is noted as done.
    if (at <= done) continue;
    yield { from, to: at, arrays: new Map([[array, bytesOf(piece)]]) };
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
