import { coveredRows, findCoverageFault } from "./coverage.ts";
import type { Manifest, ManifestBuffer } from "./manifest.ts";

/**
 * What a manifest must fulfil beyond its form: every reference leads somewhere, and every live row of every log is
 * covered by exactly one pack.
 *
 * @returns what is wrong, or null
 */
export function findInconsistency(manifest: Manifest): string | null {
  return (
    findPackFault(manifest) ??
    findTensorFault(manifest) ??
    findStateFault(manifest.state, manifest.tensors.length) ??
    findBufferFaults(manifest) ??
    findParentFault(manifest)
  );
}

function findPackFault({ packs, buffers }: Manifest): string | null {
  const logs = new Set(
    Object.entries(buffers).flatMap(([name, buffer]) => buffer.logs.map((log) => `${name}/${log.name}`)),
  );
  const names = new Set<string>();
  for (const { name, covers } of packs) {
    if (names.has(name)) return `pack ${name} is named twice`;
    names.add(name);
    for (const { log, from, to } of covers) {
      if (from > to) return `pack ${name} covers rows ${from}..${to}`;
      if (!logs.has(log)) return `pack ${name} covers the unknown log ${log}`;
    }
  }
  return null;
}

function findTensorFault({ tensors, packs }: Manifest): string | null {
  const index = tensors.findIndex((tensor) => tensor.pack >= packs.length);
  return index < 0 ? null : `tensor ${index} is in pack ${tensors[index]?.pack}, there are ${packs.length}`;
}

/** Walks without recursion: nesting was limited when the text was parsed, but costs nothing this way. */
function findStateFault(state: unknown, tensorCount: number): string | null {
  const open: unknown[] = [state];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== "object" || value === null) continue;
    // A key of the user's own would be `$$tensor`.
    if (!Object.hasOwn(value, "$tensor")) for (const item of Object.values(value)) open.push(item);
    else if (!isTensorReference((value as { $tensor: unknown }).$tensor, tensorCount)) {
      return `the state names a tensor that is not among the ${tensorCount}`;
    }
  }
  return null;
}

/** One index, or those of a large tensor's parts. */
function isTensorReference(reference: unknown, tensorCount: number): boolean {
  const indices: unknown[] = Array.isArray(reference) ? reference : [reference];
  return indices.length > 0 && indices.every((index) => isIndex(index, tensorCount));
}

function isIndex(value: unknown, count: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < count;
}

function findBufferFaults({ buffers, packs, tensors }: Manifest): string | null {
  for (const [name, buffer] of Object.entries(buffers)) {
    const fault = findPriorityFault(buffer, tensors.length) ?? findLogFault(name, buffer, packs);
    if (fault !== null) return `buffer ${name}: ${fault}`;
  }
  return null;
}

function findPriorityFault(
  { prioritized, priorityPages, capacity }: ManifestBuffer,
  tensorCount: number,
): string | null {
  // Fewer pages are fine: of a buffer that is not full, the last ones hold nothing.
  const most = prioritized === null ? 0 : Math.ceil(capacity / prioritized.leavesPerPage);
  if (priorityPages.length > most) return `it has ${priorityPages.length} priority pages, expected at most ${most}`;
  const page = priorityPages.find((index) => index >= tensorCount);
  return page === undefined ? null : `a priority page is tensor ${page}, there are ${tensorCount}`;
}

function findLogFault(bufferName: string, buffer: ManifestBuffer, packs: Manifest["packs"]): string | null {
  const names = new Set<string>();
  for (const { name, tail, head, columns } of buffer.logs) {
    if (names.has(name)) return `log ${name} occurs twice`;
    names.add(name);
    if (tail > head) return `log ${name} has bounds ${tail}..${head}`;
    if (new Set(columns.map((column) => column.name)).size !== columns.length) return `log ${name} has a column twice`;
    const covered = coveredRows(packs, `${bufferName}/${name}`, tail, head);
    const fault = findCoverageFault(covered, tail, head);
    if (fault !== null) return `log ${name}: ${fault}`;
  }
  return null;
}

function findParentFault({ parent, epoch, sequence }: Manifest): string | null {
  if (parent === null) return null;
  const own = `${String(epoch).padStart(8, "0")}-${String(sequence).padStart(12, "0")}`;
  const position = parent.name.slice("checkpoints/".length, -".json".length);
  return position < own ? null : `its parent ${parent.name} is not older`;
}
