import type { Manifest, ManifestRef } from "./manifest.ts";
import { type CheckpointPosition, compareCheckpoints } from "./names.ts";

/** Everything that a manifest says, except for the state and its tensors, which may be large. */
export interface CheckpointHeader extends Omit<Manifest, "state" | "tensors"> {
  readonly name: string;
  readonly hash: string;
  /** Bytes of the manifest's file. */
  readonly sizeBytes: number;
}

/** What lineage needs to know of a checkpoint. */
export interface LineageNode extends CheckpointPosition, ManifestRef {
  readonly parent: ManifestRef | null;
  readonly step: number;
}

/**
 * The checkpoints from the given one back to the run's first, by `parent`. It ends early where a parent is missing,
 * or is there with another content than the child was made from.
 *
 * ```
 *  epoch 1   1 ── 2 ── 3 ── 4        a lineage: 6, 5, 2, 1
 *  epoch 2         └── 5 ── 6        another:   4, 3, 2, 1
 * ```
 */
export function lineageOf<Node extends LineageNode>(nodes: readonly Node[], name: string): Node[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const lineage: Node[] = [];
  for (let node = byName.get(name); node !== undefined; ) {
    lineage.push(node);
    const { parent }: LineageNode = node;
    const next = parent === null ? undefined : byName.get(parent.name);
    // A parent is always older: whatever a hostile file says, this ends.
    node = next !== undefined && next.hash === parent?.hash && compareCheckpoints(next, node) < 0 ? next : undefined;
  }
  return lineage;
}

/** The newest checkpoint: of the highest epoch, the highest sequence. */
export function newestOf<Node extends CheckpointPosition>(nodes: readonly Node[]): Node | undefined {
  let newest: Node | undefined;
  for (const node of nodes) {
    if (newest === undefined || compareCheckpoints(node, newest) > 0) newest = node;
  }
  return newest;
}

/**
 * All checkpoints, those of the newest lineage first, each lineage from newest to oldest: the order in which a step
 * is looked for, and in which a broken checkpoint is replaced by the next best.
 */
export function byPreference<Node extends LineageNode>(nodes: readonly Node[]): Node[] {
  const remaining = new Map([...nodes].sort((a, b) => compareCheckpoints(b, a)).map((node) => [node.name, node]));
  const ordered: Node[] = [];
  for (const name of [...remaining.keys()]) {
    if (!remaining.has(name)) continue;
    for (const node of lineageOf(nodes, name)) {
      // From here on the lineage is part of a newer one.
      if (!remaining.delete(node.name)) break;
      ordered.push(node);
    }
  }
  return ordered;
}

/** The checkpoint with a step; of several, the newest one of the newest lineage that has it. */
export function findStep<Node extends LineageNode>(nodes: readonly Node[], step: number): Node | undefined {
  return byPreference(nodes).find((node) => node.step === step);
}

/** Checkpoints that are nobody's parent: the ends of the run's branches, newest first. */
export function branchEnds<Node extends LineageNode>(nodes: readonly Node[]): Node[] {
  const parents = new Set(nodes.map((node) => node.parent?.name));
  return nodes.filter((node) => !parents.has(node.name)).sort((a, b) => compareCheckpoints(b, a));
}

/** Whether a checkpoint came from an ancestor, or is it. Only such ones may be sent to the other tier (rule 9). */
export function descendsFrom(nodes: readonly LineageNode[], name: string, ancestor: ManifestRef): boolean {
  return lineageOf(nodes, name).some((node) => isRef(node, ancestor) || isRef(node.parent, ancestor));
}

function isRef(ref: ManifestRef | null, other: ManifestRef): boolean {
  return ref !== null && ref.name === other.name && ref.hash === other.hash;
}
