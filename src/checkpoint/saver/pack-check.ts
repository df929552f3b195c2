import type { SectionEntry } from "../../codec/contract.ts";
import { decodeSectionAsync, nextOfColumn } from "../../codec/section.ts";
import type { LoadedPack } from "./pack-reader.ts";

/**
 * Decodes every section of a pack.
 *
 * @throws CorruptError at the first that is not what the index says
 */
export async function decodeAll(pack: LoadedPack): Promise<void> {
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
