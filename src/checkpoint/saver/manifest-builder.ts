import type { BufferDescription } from "../../buffer/contract.ts";
import { LEAVES_PER_PAGE } from "../../buffer/priority-pages.ts";
import { StoreError } from "../../errors.ts";
import type { Coverage, Manifest, ManifestBuffer, ManifestLog, PackRef, TensorRef } from "../../manifest/manifest.ts";
import { toStoredNumber } from "../../manifest/stored-number.ts";
import type { BufferMeta } from "../../schema/snapshot.ts";
import { renumberTensors } from "../state-tree.ts";
import type { CoverageBook } from "./coverage-book.ts";
import type { PackRecord } from "./pack-record.ts";
import type { JobBuffer, SaveJob } from "./save-job.ts";
import type { SavedContent } from "./save-run.ts";

/** The part of a manifest that a save decides; lineage, ids and time are the writer's. */
export type ManifestContent = Pick<
  Manifest,
  "step" | "sequence" | "metrics" | "packs" | "buffers" | "tensors" | "state" | "logicalBytes"
>;

export interface BuiltManifest {
  readonly content: ManifestContent;
  /** Every pack that it names; the commit waits until all are acknowledged. */
  readonly records: readonly PackRecord[];
}

/** Numbers packs in the order in which they are first named. */
class PackList {
  readonly records: PackRecord[] = [];
  readonly #covers: Coverage[][] = [];

  indexOf(record: PackRecord): number {
    // By name: after a restore, two records may stand for one pack.
    const known = this.records.findIndex(({ name }) => name === record.name);
    if (known !== -1) return known;
    this.#covers.push([]);
    return this.records.push(record) - 1;
  }

  cover(record: PackRecord, coverage: Coverage): void {
    this.#covers[this.indexOf(record)]?.push(coverage);
  }

  refs(): PackRef[] {
    return this.records.map(({ name, bytes }, index) => ({ name, bytes, covers: this.#covers[index] ?? [] }));
  }
}

/** Call it when every open pack is closed: a pack has no name before. */
export function buildManifest(job: SaveJob, content: SavedContent, coverage: CoverageBook): BuiltManifest {
  const { message } = job;
  const packs = new PackList();
  const buffers: [string, ManifestBuffer][] = job.buffers.map((buffer) => {
    const logs = buffer.attached.logs.map((_, index) => coverLog(buffer, index, coverage, packs));
    const pages = content.priorityPages.get(buffer.name) ?? [];
    return [buffer.name, describeBuffer(buffer.attached.description, logs, buffer.meta, pages)];
  });
  const tensors = content.tensors.map(({ sha256, dtype, length, record, section, storedBytes }): TensorRef => {
    return { sha256, dtype, length, pack: packs.indexOf(record), section, storedBytes };
  });
  const metrics = Object.entries(message.metrics).map(([name, value]) => [name, toStoredNumber(value)] as const);
  const { step, sequence, logicalBytes } = message;
  return {
    content: {
      ...{ step, sequence, logicalBytes, tensors },
      metrics: Object.fromEntries(metrics),
      packs: packs.refs(),
      buffers: Object.fromEntries(buffers),
      state: content.state === null ? null : renumberTensors(content.state, content.statePieces),
    },
    records: packs.records,
  };
}

function coverLog(buffer: JobBuffer, index: number, coverage: CoverageBook, packs: PackList): ManifestLog {
  const { name: bufferName, attached, bounds } = buffer;
  const layout = attached.logs[index]?.layout;
  const { tail, head } = bounds[index] ?? { tail: 0, head: 0 };
  if (layout === undefined) throw new Error(`Buffer ${bufferName} has no log ${index}`);
  const log = `${bufferName}/${layout.name}`;
  const rows = coverage.of(bufferName, attached.description.incarnation, layout.name);
  const [gap] = rows.missing({ from: tail, to: head });
  if (gap !== undefined) {
    // A pack that was given up un-marks its rows (rule 6); the next save encodes them again.
    throw new StoreError("io", "put", log, `rows ${gap.from} to ${gap.to} were in a pack that could not be written`);
  }
  for (const { pack, from, to } of rows.within({ from: tail, to: head })) packs.cover(pack, { log, from, to });
  const columns = layout.columns.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  return { name: layout.name, tail, head, columns };
}

export function describeBuffer(
  { incarnation, capacity, fields, prioritized }: BufferDescription,
  logs: readonly ManifestLog[],
  meta: BufferMeta,
  priorityPages: readonly number[],
): ManifestBuffer {
  const pages =
    prioritized === null ? null : { alpha: prioritized.alpha, beta: prioritized.beta, leavesPerPage: LEAVES_PER_PAGE };
  return { incarnation, capacity, fields, logs, prioritized: pages, priorityPages, meta };
}
