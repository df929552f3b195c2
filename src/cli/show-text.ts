import { printable } from "../base/printable.ts";
import type { BufferContents, CheckpointContents, FieldSpec, StateContents, StoredBytes } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { formatBytes, formatCount, formatMetrics, formatSmaller, plural } from "./format.ts";
import { groupByPath } from "./path-groups.ts";

/** Of one kind of value, the first ones are shown. */
const SHOWN_VALUES = 3;

/** What is in a checkpoint, for a person: facts, buffers with fields and columns, and the tree of its state. */
export function describeContents(output: ConsoleOutput, contents: CheckpointContents): string {
  const buffers = Object.entries(contents.buffers).map(([name, buffer]) => describeBuffer(output, name, buffer));
  const state = contents.state === null ? [] : [describeState(output, contents.state)];
  return [describeFacts(output, contents), ...buffers, ...state].join("\n\n");
}

function describeFacts(output: ConsoleOutput, contents: CheckpointContents): string {
  const { logicalBytes, storedBytes } = contents;
  return output.table(
    ["checkpoint", contents.name],
    [
      ["step", String(contents.step)],
      ["sequence", String(contents.sequence)],
      ["epoch", String(contents.epoch)],
      ["parent", contents.parent ?? "none"],
      ["made", contents.createdAt],
      ["transitions", formatCount(contents.transitions)],
      ["logical", formatBytes(logicalBytes)],
      ["packs", `${formatBytes(storedBytes)} in ${contents.packs} (${formatSmaller(logicalBytes, storedBytes)})`],
      ["of no use to it", `${formatBytes(contents.otherBytes)} of the packs: older rows, indexes`],
      ["manifest", formatBytes(contents.manifestBytes)],
      ["metrics", formatMetrics(contents.metrics)],
      ["pinned", contents.pinned ? "yes" : "no"],
    ],
  );
}

function describeBuffer(output: ConsoleOutput, name: string, buffer: BufferContents): string {
  const { size, capacity, priorities, logs } = buffer;
  const kind = priorities === null ? "" : `, prioritised (alpha ${priorities.alpha}, beta ${priorities.beta})`;
  const title = output.style.bold(`buffer ${name}: ${formatCount(size)} of ${plural(capacity, "transition")}${kind}`);
  const columns = logs.flatMap((log) =>
    log.columns.map((column) => [
      `${log.name === "transitions" ? "" : `${log.name} `}${column.name}`,
      `${formatCount(log.tail)} to ${formatCount(log.head)}`,
      `${column.dtype}${formatShape(column.shape)}`,
      ...formatStored(column),
    ]),
  );
  const rows = priorities === null ? columns : [...columns, ["priorities", "", "float64", ...formatStored(priorities)]];
  const table = output.table(["column", "rows", "of one row", "raw", "stored", "ratio", "codecs"], rows);
  return [title, describeFields(output, buffer), table].join("\n");
}

function describeFields(output: ConsoleOutput, { fields }: BufferContents): string {
  const specs = Object.entries(fields).flatMap(([name, declared]): (readonly [string, FieldSpec])[] =>
    isField(declared)
      ? [[name, declared]]
      : Object.entries(declared).map(([key, spec]) => [`${name}.${key}`, spec] as const),
  );
  const rows = specs.map(([name, { dtype, shape, frames }]) => {
    return [name, `${dtype}${formatShape(shape)}`, frames === undefined ? "" : `${frames} frames`];
  });
  return output.table(["field", "of one transition", ""], rows);
}

/** A record of observations may have a field named "dtype": an object, not a name. */
function isField(declared: BufferContents["fields"][string]): declared is FieldSpec {
  return typeof declared["dtype"] === "string";
}

function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? "" : ` [${shape.join(", ")}]`;
}

function formatStored({ rawBytes, storedBytes, codecs }: StoredBytes): string[] {
  const ratio = storedBytes === 0 ? "" : `${(rawBytes / storedBytes).toFixed(1)} ×`;
  return [formatBytes(rawBytes), formatBytes(storedBytes), ratio, codecs.map(printable).join(" | ")];
}

function describeState(output: ConsoleOutput, state: StateContents): string {
  const [raw, stored, ratio, codecs] = formatStored(state);
  const tensors = groupByPath(state.tensors, ({ dtype, length }) => `${dtype} ${length}`).map(({ path, items }) => {
    const [first] = items;
    const storedBytes = items.reduce((sum, item) => sum + item.storedBytes, 0);
    const times = items.length === 1 ? "" : `${items.length} × `;
    return [printable(path), `${times}${first.dtype} [${first.length}]`, formatBytes(storedBytes)];
  });
  const values = groupByPath(state.values, () => "").map(({ path, items }) => {
    const some = items.slice(0, SHOWN_VALUES).map(({ text }) => printable(text));
    const more = items.length > SHOWN_VALUES ? `, … (${items.length} values)` : "";
    return [printable(path), `${some.join(", ")}${more}`, ""];
  });
  const sums = `${plural(state.tensors.length, "tensor")}, ${raw} → ${stored} (${ratio}), ${codecs}`;
  const title = output.style.bold(`state: ${state.tensors.length === 0 ? "no tensors" : sums}`);
  const omitted = state.omitted === 0 ? [] : [`… and ${plural(state.omitted, "more entry", "more entries")}`];
  return [title, output.table(["path", "value", "stored"], [...tensors, ...values]), ...omitted].join("\n");
}
