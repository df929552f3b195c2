import { isDeepStrictEqual } from "node:util";
import { sha256Hex } from "../../../src/base/hash.ts";
import type { Random } from "../../../src/base/random.ts";
import { compressZstd, decompressZstd, isZstd } from "../../../src/base/zstd.ts";
import { decodeState, tensorsInState } from "../../../src/checkpoint/state-tree.ts";
import { isVarveError } from "../../../src/errors.ts";
import { coveredRows } from "../../../src/manifest/coverage.ts";
import type { Manifest } from "../../../src/manifest/manifest.ts";
import { parseCheckpointName, parsePackName } from "../../../src/manifest/names.ts";
import { parseManifest, serializeManifest } from "../../../src/manifest/serialize.ts";
import { arrayConstructors } from "../../../src/schema/dtype.ts";
import { manifestOf } from "../../manifest/manifests.ts";
import { assertRefusal, type FuzzTarget, isPartOf, type Verdict } from "../fuzz.ts";
import { chance, type Json, mutateBytes, mutateJson, mutateJsonText, randomBytesOf } from "../mutations.ts";

const NAME = "checkpoints/00000002-000000000007.json";
const sound = serializeManifest(manifestOf(), NAME).bytes;
const soundZstd = compressZstd(sound, 3);
const soundText = new TextDecoder().decode(sound);
/** Without the hash: what it is over. */
const body = soundText.slice(0, soundText.lastIndexOf(',"hash":"'));

/** What follows a body so that its hash is right. */
function hashed(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  return Buffer.concat([bytes, Buffer.from(`,"hash":"${sha256Hex(bytes)}"}`)]);
}

function hostile(random: Random): Uint8Array {
  const kind = random.int(200);
  if (kind < 120) {
    let tree: Json = JSON.parse(`${body}}`) as Json;
    for (let change = random.int(3); change >= 0; change--) tree = mutateJson(tree, random);
    const text = JSON.stringify(tree);
    return pressed(random, hashed(text.endsWith("}") ? text.slice(0, -1) : text));
  }
  if (kind < 180) return pressed(random, hashed(mutateJsonText(body, random)));
  if (kind < 184) return mutateBytes(soundZstd, random);
  if (kind < 185) return bomb(random);
  return kind < 193 ? mutateBytes(sound, random) : randomBytesOf(random, 200);
}

/** Any manifest may be compressed, whatever its length. */
function pressed(random: Random, bytes: Uint8Array): Uint8Array {
  return chance(random, 0.03) ? compressZstd(bytes, 1) : bytes;
}

const zeros = compressZstd(new Uint8Array(1024 * 1024), 1);

/** A megabyte of one character in a few dozen bytes, once or, as several frames, more often. */
function bomb(random: Random): Uint8Array {
  return mutateBytes(Buffer.concat(Array.from({ length: 1 + random.int(3) }, () => zeros)), random, random.int(2));
}

function judge(bytes: Uint8Array): Verdict {
  const { manifest } = parseManifest(bytes, NAME);
  const json = isZstd(bytes) ? decompressZstd(bytes, 1024 * 1024) : bytes;
  const said = JSON.parse(new TextDecoder().decode(json)) as unknown;
  if (!isPartOf(manifest, said)) throw new Error("what was read is not what the file says");
  assertHarmless(manifest);
  const again = parseManifest(serializeManifest(manifest, NAME).bytes, NAME).manifest;
  if (!isDeepStrictEqual(again, JSON.parse(JSON.stringify(manifest)))) throw new Error("it does not survive rewriting");
  return "accepted";
}

/** What everything that works with a manifest relies on. */
function assertHarmless(manifest: Manifest): void {
  const { packs, parent, buffers, tensors, state } = manifest;
  const areNames = packs.every(({ name }) => /^packs\/[0-9]{8}-[0-9a-f]{64}\.pack$/.test(name));
  if (!areNames || packs.some(({ name }) => parsePackName(name) === undefined)) throw new Error("a pack's name");
  if (parent !== null && parseCheckpointName(parent.name) === undefined) throw new Error("a parent's name");
  for (const [name, { logs, priorityPages }] of Object.entries(buffers)) {
    if (name in Object.prototype) throw new Error("a buffer's name that every object has");
    for (const { name: log, tail, head } of logs) {
      const rows = coveredRows(packs, `${name}/${log}`, tail, head);
      if (rows.reduce((sum, { from, to }) => sum + to - from, 0) !== head - tail) throw new Error("rows in no pack");
    }
    if (priorityPages.some((page) => tensors[page] === undefined)) throw new Error("a priority page that is not there");
  }
  if (tensorsInState(state).some((index) => tensors[index] === undefined))
    throw new Error("a tensor that is not there");
  assertState(manifest);
}

/** The state decodes to plain values, or is refused; it never leads to what all objects share. */
function assertState({ state, tensors }: Manifest): void {
  try {
    const decoded = decodeState(
      state,
      tensors.map(({ dtype }) => new arrayConstructors[dtype](1)),
    );
    assertPlain(decoded);
  } catch (error) {
    if (!isVarveError(error, "VARVE_INVALID_ARGUMENT")) throw error;
  }
}

export function assertPlain(root: unknown): void {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === "function" || value === Object.prototype) throw new Error("the state leads out of itself");
    if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) open.push(...Object.values(value));
  }
}

export const manifestTarget: FuzzTarget = {
  name: "manifest",
  mostAllocatedBytes: 4 * 1024 * 1024,
  attempt(random, input) {
    const bytes = hostile(random);
    input(Buffer.from(bytes));
    try {
      return judge(bytes);
    } catch (error) {
      return assertRefusal(error, { codes: ["VARVE_CORRUPT", "VARVE_FORMAT_VERSION"], names: NAME });
    }
  },
};
