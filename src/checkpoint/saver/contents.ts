import { forEachConcurrently } from "../../base/concurrency.ts";
import type { SectionEntry } from "../../codec/contract.ts";
import type { PackIndex } from "../../codec/pack-index.ts";
import { CorruptError, isVarveError } from "../../errors.ts";
import { coveredRows } from "../../manifest/coverage.ts";
import type { Manifest, ManifestBuffer, ManifestLog, PackRef } from "../../manifest/manifest.ts";
import { headerOf, type StoredManifest } from "../../manifest/read-history.ts";
import { parseFields } from "../../schema/fields.ts";
import type { BufferContents, CheckpointContents, LogContents, StoredBytes } from "../describe.ts";
import { infoOf, pinnedIn } from "./run-list.ts";
import { listState, namedTensors } from "./state-contents.ts";
import type { Tiers } from "./tiers.ts";

/** Indexes read at once: enough to hide a store's latency. */
const INDEXES_AT_ONCE = 4;

/** A column is written with one chain of codecs, or two where a filter came or went. */
const MOST_CODECS = 8;

/** Bytes that are added up pack by pack. */
interface Tally {
  rawBytes: number;
  storedBytes: number;
  readonly codecs: Set<string>;
}

/** Live rows of one log in one pack, ascending. */
type Ranges = readonly { readonly from: number; readonly to: number }[];

/** What of a checkpoint lies where, before the indexes are read. */
interface Plan {
  /** By log and column. */
  readonly columns: ReadonlyMap<string, Tally>;
  /** For each pack, by log. */
  readonly live: readonly ReadonlyMap<string, Ranges>[];
  /** For each pack, by section: the tally of the tensor that lies there. */
  readonly tensors: readonly ReadonlyMap<number, Tally>[];
  readonly state: Tally;
  readonly priorities: ReadonlyMap<string, Tally>;
}

/**
 * Says what is in a checkpoint. Reads the index of each of its packs, one after another, and keeps sums only.
 *
 * @throws CorruptError where the declaration of a buffer is none; StoreError
 * Cost: a request for each pack, of 64 KiB at most unless the index is larger.
 */
export async function readContents(
  tiers: Tiers,
  stored: StoredManifest,
  skipped: CheckpointContents["skipped"],
  signal: AbortSignal,
): Promise<CheckpointContents> {
  const { manifest } = stored;
  const plan = planOf(manifest);
  const problems: { object: string; problem: string }[] = [];
  let unreadBytes = 0;
  await forEachConcurrently([...manifest.packs.entries()], INDEXES_AT_ONCE, async ([pack, ref]) => {
    const index = await readIndex(tiers, ref, problems, signal);
    if (index === null) unreadBytes += ref.bytes;
    else index.sections.forEach((entry, section) => addSection(plan, pack, section, entry));
  });
  const info = infoOf(headerOf(stored), await pinnedIn(tiers, signal));
  const usedBytes = talliesOf(plan).reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const buffers = Object.entries(manifest.buffers);
  return {
    ...info,
    buffers: Object.fromEntries(buffers.map(([name, saved]) => [name, bufferOf(stored.name, name, saved, plan)])),
    state: manifest.state === null ? null : { ...listState(manifest.state, manifest.tensors), ...bytesOf(plan.state) },
    packs: manifest.packs.length,
    manifestBytes: stored.sizeBytes,
    otherBytes: info.storedBytes - stored.sizeBytes - unreadBytes - usedBytes,
    problems: problems.sort((a, b) => (a.object < b.object ? -1 : 1)),
    skipped,
  };
}

async function readIndex(
  tiers: Tiers,
  ref: PackRef,
  problems: { object: string; problem: string }[],
  signal: AbortSignal,
): Promise<PackIndex | null> {
  try {
    return await tiers.packIndex(ref, signal);
  } catch (error) {
    if (!isVarveError(error, "VARVE_CORRUPT", "VARVE_FORMAT_VERSION")) throw error;
    problems.push({ object: ref.name, problem: error.message });
    return null;
  }
}

function planOf(manifest: Manifest): Plan {
  const { packs, buffers, tensors, state } = manifest;
  const columns = new Map<string, Tally>();
  const live = packs.map(() => new Map<string, { from: number; to: number }[]>());
  for (const [name, { logs }] of Object.entries(buffers)) {
    for (const log of logs) {
      const key = `${name}/${log.name}`;
      for (const column of log.columns) columns.set(`${key} ${column.name}`, newTally());
      for (const { pack, ...rows } of coveredRows(packs, key, log.tail, log.head)) {
        const ranges = live[pack]?.get(key);
        if (ranges === undefined) live[pack]?.set(key, [rows]);
        else ranges.push(rows);
      }
    }
  }
  const places = packs.map(() => new Map<number, Tally>());
  const place = (indices: readonly number[], tally: Tally): void => {
    for (const index of indices) {
      const tensor = tensors[index];
      if (tensor !== undefined) places[tensor.pack]?.set(tensor.section, tally);
    }
  };
  const ofState = newTally();
  const priorities = new Map(Object.keys(buffers).map((name) => [name, newTally()]));
  for (const [name, tally] of priorities) place(buffers[name]?.priorityPages ?? [], tally);
  place(namedTensors(state), ofState);
  return { columns, live, tensors: places, state: ofState, priorities };
}

function newTally(): Tally {
  return { rawBytes: 0, storedBytes: 0, codecs: new Set() };
}

function talliesOf({ columns, state, priorities }: Plan): Tally[] {
  return [...columns.values(), state, ...priorities.values()];
}

function addSection(plan: Plan, pack: number, section: number, entry: SectionEntry): void {
  const tally = tallyFor(plan, pack, section, entry);
  if (tally === undefined) return;
  tally.rawBytes += entry.rawBytes;
  tally.storedBytes += entry.storedBytes;
  const chain = entry.codecs.map(({ name }) => name).join(", ");
  if (tally.codecs.size < MOST_CODECS) tally.codecs.add(chain);
}

function tallyFor(plan: Plan, pack: number, section: number, { content }: SectionEntry): Tally | undefined {
  if (content.kind === "tensor") return plan.tensors[pack]?.get(section);
  const ranges = plan.live[pack]?.get(content.log);
  if (ranges === undefined || !overlaps(ranges, content.from, content.to)) return undefined;
  return plan.columns.get(`${content.log} ${content.column}`);
}

/** By halving: a hostile index may have a million sections, and a manifest as many ranges. */
function overlaps(ranges: Ranges, from: number, to: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as Ranges[number]).to <= from) low = middle + 1;
    else high = middle;
  }
  return (ranges[low]?.from ?? Number.POSITIVE_INFINITY) < to;
}

function bytesOf({ rawBytes, storedBytes, codecs }: Tally): StoredBytes {
  return { rawBytes, storedBytes, codecs: [...codecs].sort() };
}

function bufferOf(objectName: string, name: string, saved: ManifestBuffer, plan: Plan): BufferContents {
  const { capacity, logs, prioritized } = saved;
  const [transitions] = logs;
  const stored = bytesOf(plan.priorities.get(name) ?? newTally());
  return {
    capacity,
    size: transitions === undefined ? 0 : transitions.head - transitions.tail,
    fields: declarationOf(objectName, name, saved),
    logs: logs.map((log) => logOf(`${name}/${log.name}`, log, plan)),
    priorities: prioritized === null ? null : { alpha: prioritized.alpha, beta: prioritized.beta, ...stored },
  };
}

/** The manifest's reader leaves the declaration to whoever needs it. */
function declarationOf(objectName: string, name: string, { fields }: ManifestBuffer): BufferContents["fields"] {
  try {
    return parseFields(fields).declaration;
  } catch (error) {
    if (!isVarveError(error, "VARVE_INVALID_ARGUMENT")) throw error;
    throw new CorruptError(objectName, `buffer ${name}: ${error.message}`, error);
  }
}

function logOf(key: string, { name, tail, head, columns }: ManifestLog, plan: Plan): LogContents {
  const described = columns.map((column) => {
    const { name: columnName, dtype, shape } = column;
    return { name: columnName, dtype, shape, ...bytesOf(plan.columns.get(`${key} ${columnName}`) ?? newTally()) };
  });
  return { name, tail, head, columns: described };
}
