import { forEachConcurrently } from "../../base/concurrency.ts";
import type { SectionEntry } from "../../codec/contract.ts";
import { decodeSectionAsync, nextOfColumn } from "../../codec/section.ts";
import { isVarveError } from "../../errors.ts";
import type { CheckpointHeader } from "../../manifest/lineage.ts";
import type { PackRef } from "../../manifest/manifest.ts";
import { PACKS_PREFIX } from "../../manifest/names.ts";
import { unnamedPacks } from "../../manifest/retention.ts";
import type { VerifiedCheckpoint, VerifyReport } from "../messages.ts";
import type { LoadedPack } from "./pack-reader.ts";
import type { Tiers } from "./tiers.ts";

const PACKS_AT_ONCE = 4;

/** Checks every checkpoint of a run: that its packs are there, and with `readData` every byte of every one. */
export async function verifyRun(tiers: Tiers, readData: boolean, signal: AbortSignal): Promise<VerifyReport> {
  const { whole, broken } = await tiers.history(signal);
  const lists = await Promise.all(tiers.all.map((store) => Array.fromAsync(store.list(PACKS_PREFIX, { signal }))));
  const sizes = new Map(lists.flat().map(({ name, sizeBytes }) => [name, sizeBytes]));
  const packs = [...sizes].map(([name, sizeBytes]) => ({ name, sizeBytes }));
  const refs = new Map(whole.flatMap((header) => header.packs).map((ref) => [ref.name, ref]));
  const problems = new Map<string, string>();
  await forEachConcurrently([...refs.values()], PACKS_AT_ONCE, async (ref) => {
    const problem = await problemOf(tiers, ref, sizes.get(ref.name), readData, signal);
    if (problem !== null) problems.set(ref.name, problem);
  });
  const checkpoints: VerifiedCheckpoint[] = [
    ...whole.map((header) => verified(header, problems)),
    ...broken.map(({ name, sequence, error }) => ({ name, sequence, step: null, problems: [error.message] })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    checkpoints,
    packs: packs.length,
    bytes: packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    unnamedPacks: unnamedPacks(packs, whole).length,
    isIntact: checkpoints.every((checkpoint) => checkpoint.problems.length === 0),
  };
}

function verified(header: CheckpointHeader, problems: ReadonlyMap<string, string>): VerifiedCheckpoint {
  const { name, step, sequence, packs } = header;
  return { name, step, sequence, problems: packs.flatMap((pack) => problems.get(pack.name) ?? []) };
}

async function problemOf(
  tiers: Tiers,
  ref: PackRef,
  sizeBytes: number | undefined,
  readData: boolean,
  signal: AbortSignal,
): Promise<string | null> {
  if (sizeBytes === undefined) return `"${ref.name}" is missing`;
  if (sizeBytes !== ref.bytes) return `"${ref.name}" has ${sizeBytes} bytes, expected ${ref.bytes}`;
  if (!readData) return null;
  try {
    await decodeAll(await tiers.pack(ref, signal));
    return null;
  } catch (error) {
    if (!isVarveError(error)) throw error;
    return error.message;
  }
}

async function decodeAll(pack: LoadedPack): Promise<void> {
  for (const entry of pack.index.sections) await decodeWithNeeds(pack, entry);
}

/** A `next-of` section needs the observation and env of the same rows, which lie in the same pack. */
async function decodeWithNeeds(pack: LoadedPack, entry: SectionEntry): Promise<Uint8Array> {
  const { name: objectName } = pack;
  const column = nextOfColumn(entry, objectName);
  const stored = await pack.stored(entry);
  if (column === null) return decodeSectionAsync(entry, stored, { objectName });
  const sibling = async (name: string): Promise<Uint8Array> => {
    const found = pack.index.sections.find((other) => isSibling(other, entry, name));
    return found === undefined ? new Uint8Array(0) : decodeWithNeeds(pack, found);
  };
  const [observation, env] = [await sibling(column), await sibling("env")];
  const envs = new Uint16Array(env.buffer, env.byteOffset, env.byteLength / 2);
  return decodeSectionAsync(entry, stored, { objectName, next: { observation, env: envs } });
}

function isSibling({ content: other }: SectionEntry, { content }: SectionEntry, column: string): boolean {
  return (
    other.kind === "rows" &&
    content.kind === "rows" &&
    other.log === content.log &&
    other.from === content.from &&
    other.to === content.to &&
    other.column === column
  );
}
