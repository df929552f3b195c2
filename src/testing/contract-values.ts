import type { Store } from "../store/store.ts";

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export async function readText(store: Store, name: string): Promise<string | null> {
  const bytes = await store.get(name);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

export async function names(store: Store, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of store.list(prefix)) found.push(name);
  return found;
}

/** Bytes in which no two neighbouring kibibytes are equal, so that a misplaced part shows. */
export function patternBytes(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let value = 1;
  for (let index = 0; index < words.length; index++) {
    // Numerical Recipes' linear congruential generator: any pattern without a short period would do.
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    words[index] = value;
  }
  return new Uint8Array(words.buffer, 0, length);
}
