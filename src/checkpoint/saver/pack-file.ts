import { basename, dirname, join } from "node:path";
import type { EncodedSection } from "../../codec/contract.ts";
import { PackLayout, packHeader } from "../../codec/pack.ts";
import { readPackIndexFrom } from "../../codec/pack-index.ts";
import { CorruptError, StoreError } from "../../errors.ts";
import { withSpace } from "../../store/disk-space.ts";
import { readRange } from "../../store/file-content.ts";
import { isAbsent, translateFileError } from "../../store/file-errors.ts";
import type { FileSystem, OpenFile } from "../../store/file-system.ts";
import { createTemporaryNames } from "../../store/temporary-name.ts";
import type { LoadedPack } from "./pack-reader.ts";

const temporary = createTemporaryNames();

/**
 * Writes a pack piece by piece to a file beside its place, and renames it when it is whole and durable. What an
 * earlier process left unfinished in the same folder is removed first.
 */
export async function writePackFile(
  files: FileSystem,
  path: string,
  produce: (add: (section: EncodedSection) => Promise<number>) => Promise<unknown>,
): Promise<{ readonly bytes: number }> {
  const folder = dirname(path);
  const beside = join(folder, temporary.next());
  try {
    await removeAbandoned(files, folder);
    const bytes = await writeBeside(files, beside, produce);
    await files.rename(beside, path);
    await files.syncFolder(folder);
    return { bytes };
  } catch (error) {
    await files.unlink(beside).catch(() => undefined);
    throw await withSpace(translateFileError(error, "save", basename(path), `writing ${path}`), files, folder, null);
  }
}

async function removeAbandoned(files: FileSystem, folder: string): Promise<void> {
  for (const { name } of await files.readFolder(folder)) {
    // Age says nothing here: only a file whose process is gone is certain to be nobody's.
    if (temporary.isAbandoned(name, 0)) await files.unlink(join(folder, name)).catch(ignoreAbsent);
  }
}

async function writeBeside(
  files: FileSystem,
  path: string,
  produce: (add: (section: EncodedSection) => Promise<number>) => Promise<unknown>,
): Promise<number> {
  const file = await files.create(path);
  try {
    const layout = new PackLayout();
    await writeAll(file, packHeader(), 0);
    const manifest = await produce(async (section) => {
      const { offset } = layout.add(section);
      await writeAll(file, section.bytes, offset);
      return layout.entries.length - 1;
    });
    const footer = layout.footer(manifest);
    await writeAll(file, footer, layout.sizeBytes);
    await file.sync();
    return layout.sizeBytes + footer.length;
  } finally {
    await file.close();
  }
}

async function writeAll(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const written = await file.write(bytes.subarray(done), position + done);
    if (written <= 0) throw new StoreError("io", "save", "file", `only ${done} of ${bytes.length} bytes were taken`);
    done += written;
  }
}

function ignoreAbsent(error: unknown): void {
  if (!isAbsent(error)) throw error;
}

export interface OpenPackFile extends LoadedPack {
  close(): Promise<void>;
}

/** Opens a pack file: reads its index only. @throws CorruptError, FormatVersionError, StoreError */
export async function openPackFile(files: FileSystem, path: string): Promise<OpenPackFile> {
  const name = basename(path);
  let file: OpenFile;
  try {
    file = await files.open(path);
  } catch (error) {
    if (isAbsent(error)) throw new StoreError("not-found", "load", name, `there is no file ${path}`, { cause: error });
    throw translateFileError(error, "load", name, `reading ${path}`);
  }
  try {
    const header = await read(file, name, 0, packHeader().length);
    if (!packHeader().every((byte, place) => byte === header[place])) {
      throw new CorruptError(name, "it does not begin like a pack");
    }
    const { sizeBytes } = await file.info();
    const index = await readPackIndexFrom((offset, length) => read(file, name, offset, length), sizeBytes, name);
    return {
      name,
      index,
      stored: ({ offset, storedBytes }) => read(file, name, offset, storedBytes),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw translateFileError(error, "load", name, `reading ${path}`);
  }
}

async function read(file: OpenFile, name: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await readRange(file, name, { offset, length }, undefined);
  if (bytes === null) throw new CorruptError(name, "it is not a file");
  if (bytes.length !== length) throw new CorruptError(name, `it ends before byte ${offset + length}`);
  return bytes;
}
