import { createHash } from "node:crypto";
import { conditionNotMet, failure, type GcsAnswer, json } from "./gcs-answer.ts";

export interface StoredObject {
  readonly name: string;
  readonly bytes: Buffer;
  readonly crc32c: string;
  readonly md5: string;
  readonly generation: string;
  readonly updated: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/** What a client says about an object beside its bytes. */
export interface Description {
  readonly name?: string;
  readonly contentType?: string;
  readonly crc32c?: string;
  readonly md5Hash?: string;
  readonly metadata?: Record<string, string>;
}

/** The objects of one bucket. */
export class StoredObjects {
  readonly bucket: string;
  readonly byName: Map<string, StoredObject> = new Map();
  readonly #ignoresConditions: boolean;
  #generation = 1_700_000_000_000_000;

  constructor(bucket: string, ignoresConditions: boolean) {
    this.bucket = bucket;
    this.#ignoresConditions = ignoresConditions;
  }

  /** @param condition - what `ifGenerationMatch` says; null where it says nothing */
  isMet(name: string, condition: string | null): boolean {
    if (condition === null || this.#ignoresConditions) return true;
    return (this.byName.get(name)?.generation ?? "0") === condition;
  }

  /** @param hashes - the header `x-goog-hash` */
  put(
    described: Description & { readonly name: string },
    bytes: Buffer,
    condition: string | null,
    hashes = "",
  ): GcsAnswer {
    const { name, metadata, contentType = "application/octet-stream" } = described;
    if (!this.isMet(name, condition)) return conditionNotMet();
    const crc32c = crc32cOf(bytes);
    const md5 = createHash("md5").update(bytes).digest("base64");
    const claimed = {
      crc32c: described.crc32c ?? hashIn(hashes, "crc32c"),
      md5: described.md5Hash ?? hashIn(hashes, "md5"),
    };
    for (const [kind, claim, found] of [
      ["CRC32C", claimed.crc32c, crc32c],
      ["MD5 hash", claimed.md5, md5],
    ] as const) {
      if (claim === undefined || claim === found) continue;
      return failure(400, "invalid", `Provided ${kind} "${claim}" doesn't match calculated ${kind} "${found}".`);
    }
    this.#generation += 1;
    const stored = { name, bytes, crc32c, md5, contentType, metadata, generation: String(this.#generation) };
    this.byName.set(name, { ...stored, updated: new Date().toISOString() });
    return this.describe(name);
  }

  describe(name: string): GcsAnswer {
    const stored = this.byName.get(name);
    if (stored === undefined) throw new Error(`${name} is not stored`);
    return json(this.#resource(stored));
  }

  list(query: URLSearchParams): GcsAnswer {
    const [prefix, after] = [query.get("prefix") ?? "", query.get("pageToken") ?? ""];
    const most = Number(query.get("maxResults") ?? 1000);
    const found = [...this.byName.values()]
      .filter(({ name }) => name.startsWith(prefix) && (after === "" || compare(name, fromToken(after)) > 0))
      .sort((one, other) => compare(one.name, other.name));
    const page = found.slice(0, most);
    const last = page.at(-1);
    const isMore = found.length > page.length && last !== undefined;
    return json({
      kind: "storage#objects",
      ...(page.length > 0 && { items: page.map((stored) => this.#resource(stored)) }),
      ...(isMore && { nextPageToken: Buffer.from(last.name).toString("base64") }),
    });
  }

  #resource({ bytes, md5, ...stored }: StoredObject): object {
    return {
      kind: "storage#object",
      id: `${this.bucket}/${stored.name}/${stored.generation}`,
      bucket: this.bucket,
      size: String(bytes.length),
      md5Hash: md5,
      timeCreated: stored.updated,
      metageneration: "1",
      ...stored,
    };
  }
}

function hashIn(header: string, kind: string): string | undefined {
  return new RegExp(`(?:^|[\\s,])${kind}=([^,\\s]+)`).exec(header)?.[1];
}

/** By bytes of UTF-8, as the service lists. */
function compare(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function fromToken(token: string): string {
  return Buffer.from(token, "base64").toString();
}

/** By its definition: of another make than the one that is tested with it. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

function crc32cOf(bytes: Uint8Array): string {
  let value = 0xffffffff;
  for (let index = 0; index < bytes.length; index++) {
    value = (value >>> 8) ^ (TABLE[(value ^ (bytes[index] ?? 0)) & 0xff] ?? 0);
  }
  const encoded = Buffer.alloc(4);
  encoded.writeUInt32BE(~value >>> 0);
  return encoded.toString("base64");
}
