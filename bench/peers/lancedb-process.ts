// LanceDB's append: a table with a row for each transition. What is new since the last save is added to it; each save is
// a version of the table. It brings no buffer, so that the rows lie in dense rings until they are added.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type NodePeer, type Rows, runPeer, type Values } from "./node-harness.ts";
import type { Meta } from "./shared-data.ts";

/** What is used of the package; it is no dependency of this project. */
interface Lance {
  connect(folder: string): Promise<Connection>;
}
interface Connection {
  createTable(name: string, rows: unknown): Promise<LanceTable>;
  openTable(name: string): Promise<LanceTable>;
}
interface LanceTable {
  add(rows: unknown): Promise<unknown>;
  version(): Promise<number>;
  checkout(version: number): Promise<void>;
  query(): AsyncIterable<Batch>;
}
interface Batch {
  readonly numRows: number;
  getChild(name: string): { readonly data: readonly ArrowData[] };
}
interface ArrowData {
  readonly offset: number;
  readonly values: Values;
  readonly children: readonly ArrowData[];
}
interface Arrow {
  readonly Table: new (batches: readonly unknown[]) => unknown;
  readonly RecordBatch: new (schema: unknown, data: unknown) => unknown;
  readonly Schema: new (fields: readonly unknown[]) => unknown;
  readonly Field: new (name: string, type: unknown, nullable: boolean) => unknown;
  readonly Struct: new (fields: readonly unknown[]) => unknown;
  readonly FixedSizeList: new (size: number, item: unknown) => unknown;
  readonly Float32: new () => unknown;
  readonly Uint8: new () => unknown;
  makeData(parts: Readonly<Record<string, unknown>>): unknown;
}

const folder = process.argv[6] as string;
const load = createRequire(join(folder, "package.json"));
const lance = load("@lancedb/lancedb") as Lance;
const arrow = load("apache-arrow") as Arrow;
const { version } = JSON.parse(
  readFileSync(join(folder, "node_modules", "@lancedb", "lancedb", "package.json"), "utf8"),
) as { version: string };

const BATCH_BYTES = 64 * 2 ** 20;

class Rings {
  readonly arrays: Record<string, Values>;
  readonly lengths: Readonly<Record<string, number>>;
  readonly rowBytes: number;
  readonly #meta: Meta;
  #total = 0;

  constructor(meta: Meta) {
    this.#meta = meta;
    const fields = Object.entries(meta.fields);
    const length = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
    this.lengths = Object.fromEntries(fields.map(([name, { shape }]) => [name, length(shape)]));
    this.arrays = Object.fromEntries(
      fields.map(([name, { dtype, shape }]) => {
        const size = meta.capacity * length(shape);
        return [name, dtype === "uint8" ? new Uint8Array(size) : new Float32Array(size)];
      }),
    );
    const sizes = fields.map(([, { dtype, shape }]) => length(shape) * (dtype === "uint8" ? 1 : 4));
    this.rowBytes = sizes.reduce((sum, size) => sum + size, 0);
  }

  get total(): number {
    return this.#total;
  }

  add(rows: Rows, count: number): void {
    const { capacity } = this.#meta;
    for (let done = 0; done < count; ) {
      const at = this.#total % capacity;
      const part = Math.min(count - done, capacity - at);
      for (const [name, length] of Object.entries(this.lengths)) {
        const values = (rows[name] as Values).subarray(done * length, (done + part) * length);
        this.arrays[name]?.set(values, at * length);
      }
      this.#total += part;
      done += part;
    }
  }

  /** Rows [from, to) of all that were ever added, without a copy; they must lie side by side. */
  view(from: number, to: number): Rows {
    const at = from % this.#meta.capacity;
    const cut = ([name, values]: [string, Values]) =>
      [
        name,
        values.subarray(at * (this.lengths[name] as number), (at + to - from) * (this.lengths[name] as number)),
      ] as const;
    return Object.fromEntries(Object.entries(this.arrays).map(cut));
  }
}

/** Columns of lists of a fixed size, as the documentation has it for vectors. */
function tableOf(rings: Rings, from: number, to: number): unknown {
  const itemOf = (values: Values): unknown => (values instanceof Uint8Array ? new arrow.Uint8() : new arrow.Float32());
  const typeOf = (name: string): unknown =>
    new arrow.FixedSizeList(
      rings.lengths[name] as number,
      new arrow.Field("item", itemOf(rings.arrays[name] as Values), false),
    );
  const fields = Object.keys(rings.arrays).map((name) => new arrow.Field(name, typeOf(name), false));
  const schema = new arrow.Schema(fields);
  const step = Math.max(1, Math.floor(BATCH_BYTES / rings.rowBytes));
  const batches: unknown[] = [];
  for (let at = from; at < to; at += step) {
    const end = Math.min(to, at + step);
    const children = Object.entries(rings.view(at, end)).map(([name, values]) => {
      const child = arrow.makeData({ type: itemOf(values), length: values.length, data: values });
      return arrow.makeData({ type: typeOf(name), length: end - at, child });
    });
    const data = arrow.makeData({ type: new arrow.Struct(fields), length: end - at, children });
    batches.push(new arrow.RecordBatch(schema, data));
  }
  return new arrow.Table(batches);
}

class LanceAppend implements NodePeer {
  readonly version = version;
  readonly syncs = false;
  readonly #connection: Connection;
  readonly #rings: Rings;
  readonly #work: string;
  readonly #capacity: number;
  #table: LanceTable | null = null;
  #saved = 0;

  constructor(connection: Connection, meta: Meta, work: string) {
    this.#connection = connection;
    this.#rings = new Rings(meta);
    this.#work = work;
    this.#capacity = meta.capacity;
  }

  add(rows: Rows, count: number): void {
    this.#rings.add(rows, count);
  }

  async save(number: number): Promise<void> {
    const rows = tableOf(this.#rings, this.#saved, this.#rings.total);
    this.#saved = this.#rings.total;
    if (this.#table === null) this.#table = await this.#connection.createTable("transitions", rows);
    else await this.#table.add(rows);
    writeFileSync(join(this.#work, `version-${number}`), String(await this.#table.version()));
  }

  /** Reads the whole table into the rings; the newest rows stay there. */
  async load(number: number): Promise<void> {
    const table = await this.#connection.openTable("transitions");
    await table.checkout(Number(readFileSync(join(this.#work, `version-${number}`), "utf8")));
    for await (const batch of table.query()) {
      const columns = Object.entries(this.#rings.lengths).map(([name, length]) => {
        const list = batch.getChild(name).data[0] as ArrowData;
        const { values } = list.children[0] as ArrowData;
        return [name, values.subarray(list.offset * length, (list.offset + batch.numRows) * length)] as const;
      });
      this.#rings.add(Object.fromEntries(columns), batch.numRows);
    }
  }

  rows(from: number, to: number): Rows {
    const first = this.#rings.total - this.#capacity;
    const middle = Math.min(to, Math.max(from, this.#capacity - (first % this.#capacity)));
    const parts = [this.#rings.view(first + from, first + middle), this.#rings.view(first + middle, first + to)];
    const [left, right] = parts as [Rows, Rows];
    if (middle === to) return left;
    if (middle === from) return right;
    return Object.fromEntries(
      Object.keys(left).map((name) => [name, concat(left[name] as Values, right[name] as Values)]),
    );
  }

  async close(): Promise<void> {
    this.#table = null;
  }
}

function concat(left: Values, right: Values): Values {
  const joined =
    left instanceof Uint8Array
      ? new Uint8Array(left.length + right.length)
      : new Float32Array(left.length + right.length);
  joined.set(left);
  joined.set(right, left.length);
  return joined;
}

await runPeer(async (meta: Meta, work: string) => {
  return new LanceAppend(await lance.connect(join(work, "saved")), meta, work);
});
