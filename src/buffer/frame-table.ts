const MIN_SLOTS = 64;

/**
 * A hash table from the hash of a frame to its id: linear probing, at most half full, no tombstones.
 *
 * ```
 *   hashes | 0 | h | h' | 0 | …     0 = empty; an entry lies at or after slot hash mod slots, with no gap between
 *   ids    | · | 5 | 9  | · | …
 * ```
 *
 * Several entries may have the same hash; which one is meant, the caller tells by comparing bytes.
 */
export class FrameTable {
  #hashes = new Uint32Array(MIN_SLOTS);
  #ids = new Uint32Array(MIN_SLOTS);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  get residentBytes(): number {
    return this.#hashes.byteLength + this.#ids.byteLength;
  }

  /** The first slot to look at for a hash. */
  firstSlot(hash: number): number {
    return hash & (this.#hashes.length - 1);
  }

  nextSlot(slot: number): number {
    return (slot + 1) & (this.#hashes.length - 1);
  }

  /** The hash in a slot; 0 ends a search. */
  hashAt(slot: number): number {
    return this.#hashes[slot] as number;
  }

  idAt(slot: number): number {
    return this.#ids[slot] as number;
  }

  insert(hash: number, id: number): void {
    if (2 * (this.#count + 1) > this.#hashes.length) this.#grow();
    this.#place(hash, id);
    this.#count += 1;
  }

  /** Removes the entry of this hash that points to this id, if there is one. */
  remove(hash: number, id: number): void {
    for (let slot = this.firstSlot(hash); this.#hashes[slot] !== 0; slot = this.nextSlot(slot)) {
      if (this.#hashes[slot] === hash && this.#ids[slot] === id) {
        this.#closeGap(slot);
        this.#count -= 1;
        return;
      }
    }
  }

  clear(): void {
    this.#hashes = new Uint32Array(MIN_SLOTS);
    this.#ids = new Uint32Array(MIN_SLOTS);
    this.#count = 0;
  }

  #place(hash: number, id: number): void {
    let slot = this.firstSlot(hash);
    while (this.#hashes[slot] !== 0) slot = this.nextSlot(slot);
    this.#hashes[slot] = hash;
    this.#ids[slot] = id;
  }

  /** Moves later entries back into an emptied slot, each only if that brings it no further than its first slot. */
  #closeGap(emptied: number): void {
    const mask = this.#hashes.length - 1;
    let gap = emptied;
    for (let slot = this.nextSlot(gap); this.#hashes[slot] !== 0; slot = this.nextSlot(slot)) {
      const hash = this.#hashes[slot] as number;
      const distance = (slot - this.firstSlot(hash)) & mask;
      if (distance >= ((slot - gap) & mask)) {
        this.#hashes[gap] = hash;
        this.#ids[gap] = this.#ids[slot] as number;
        gap = slot;
      }
    }
    this.#hashes[gap] = 0;
  }

  #grow(): void {
    const hashes = this.#hashes;
    const ids = this.#ids;
    this.#hashes = new Uint32Array(2 * hashes.length);
    this.#ids = new Uint32Array(2 * ids.length);
    for (let slot = 0; slot < hashes.length; slot++) {
      if (hashes[slot] !== 0) this.#place(hashes[slot] as number, ids[slot] as number);
    }
  }
}
