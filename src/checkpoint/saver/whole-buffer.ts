import { CorruptError, isVarveError } from "../../errors.ts";
import type { Manifest, ManifestBuffer, ManifestColumn, ManifestLog } from "../../manifest/manifest.ts";
import { type FieldSet, parseFields } from "../../schema/fields.ts";
import { layOut } from "../../schema/layouts.ts";
import type { LogLayout } from "../../schema/log-layout.ts";
import type { LoadedPack } from "./pack-reader.ts";

/**
 * Checks that a self-contained file has sections for every row and column of its buffer, before memory is taken for
 * them on the word of its manifest (rule 11).
 *
 * @throws CorruptError
 */
export function assertWholeBuffer({ name, index }: LoadedPack, manifest: Manifest): ManifestBuffer {
  const buffer = manifest.buffers["default"];
  if (buffer === undefined) throw new CorruptError(name, "it holds no buffer");
  layoutOf(name, buffer);
  for (const log of buffer.logs) {
    for (const column of log.columns) assertRows(name, index, log, column);
  }
  return buffer;
}

/**
 * The fields of a saved buffer and the layout that follows from them, which its logs must have.
 *
 * @throws CorruptError
 */
export function layoutOf(
  name: string,
  { fields: declared, capacity, logs }: ManifestBuffer,
): { readonly fields: FieldSet; readonly layouts: readonly LogLayout[] } {
  let fields: FieldSet;
  let layouts: readonly LogLayout[];
  try {
    fields = parseFields(declared);
    layouts = layOut(fields, capacity);
  } catch (error) {
    if (!isVarveError(error, "VARVE_INVALID_ARGUMENT")) throw error;
    throw new CorruptError(name, error.message, error);
  }
  const formOf = (log: Pick<ManifestLog, "name" | "columns">): string =>
    `${log.name}: ${log.columns.map((column) => `${column.name} ${column.dtype} [${column.shape.join()}]`).join(", ")}`;
  const [is, should] = [logs, layouts].map((all) => all.map(formOf).join("; "));
  if (is !== should) throw new CorruptError(name, "its logs are not those of its fields");
  return { fields, layouts };
}

function assertRows(
  name: string,
  { sections }: LoadedPack["index"],
  { name: log, tail, head }: ManifestLog,
  { name: column, dtype, shape }: ManifestColumn,
): void {
  const rowShape = shape.join();
  const ranges = sections.flatMap(({ content, ...section }) => {
    const isIt = content.kind === "rows" && content.log === `default/${log}` && content.column === column;
    return isIt && section.dtype === dtype && section.shape.slice(1).join() === rowShape ? [content] : [];
  });
  let next = tail;
  for (const { from, to } of ranges.sort((a, b) => a.from - b.from)) {
    if (from > next) break;
    next = Math.max(next, to);
  }
  if (next < head) throw new CorruptError(name, `rows ${next} to ${head} of ${log}, column ${column}, are missing`);
}
