import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { zipSync } from "fflate";
import { temporaryFolder } from "./exported-run.ts";

/** A .npy file as text and bytes: `descr` may be any, also what is refused. */
export function npy(descr: string, shape: readonly number[], data: ArrayBufferView, order = "False"): Uint8Array {
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const type = descr.startsWith("[") ? descr : `'${descr}'`;
  const text = `{'descr': ${type}, 'fortran_order': ${order}, 'shape': (${axes}), }\n`;
  const header = Buffer.alloc(10);
  header.write("\x93NUMPY\x01\x00", "latin1");
  header.writeUInt16LE(text.length, 8);
  return Buffer.concat([header, Buffer.from(text), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

/** An npz file by fflate, deflated or stored. */
export function writeNpz(arrays: Readonly<Record<string, Uint8Array>>, level: 0 | 6 = 6): string {
  const path = join(temporaryFolder(), "in.npz");
  const members = Object.entries(arrays).map(([name, bytes]) => [name.includes(".json") ? name : `${name}.npy`, bytes]);
  writeFileSync(path, zipSync(Object.fromEntries(members), { level }));
  return path;
}

const COUNT = 6;

/** Six transitions of two values, as D4RL names them. */
export const usual: Readonly<Record<string, Uint8Array>> = {
  observations: npy(
    "<f4",
    [COUNT, 2],
    Float32Array.from({ length: 12 }, (_, i) => i),
  ),
  next_observations: npy(
    "<f4",
    [COUNT, 2],
    Float32Array.from({ length: 12 }, (_, i) => i + 2),
  ),
  actions: npy(
    "<f8",
    [COUNT, 1],
    Float64Array.from({ length: 6 }, (_, i) => -i),
  ),
  rewards: npy(
    "<f4",
    [COUNT],
    Float32Array.from({ length: 6 }, (_, i) => i / 4),
  ),
  terminals: npy("|b1", [COUNT], Uint8Array.of(0, 0, 1, 0, 0, 0)),
  timeouts: npy("|b1", [COUNT], Uint8Array.of(0, 0, 0, 0, 1, 0)),
};
