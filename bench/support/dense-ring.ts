type Numbers = Float32Array | Uint8Array;

/**
 * The plain ring that everybody writes first: one dense array per field, rows overwritten in place.
 *
 * Rows are copied by `set()`, as one does. For short rows a loop is several times quicker; `loop: true` is the ring of
 * someone who has measured that.
 */
export class DenseRing<A extends Numbers> {
  readonly observation: A;
  readonly nextObservation: A;
  readonly action: Float32Array;
  readonly reward: Float32Array;
  readonly terminated: Uint8Array;
  readonly truncated: Uint8Array;
  readonly #capacity: number;
  readonly #length: number;
  readonly #actionLength: number;
  readonly #loop: boolean;
  #next = 0;

  constructor(
    create: (length: number) => A,
    capacity: number,
    length: number,
    actionLength: number,
    options: { readonly loop?: boolean } = {},
  ) {
    this.#capacity = capacity;
    this.#length = length;
    this.#actionLength = actionLength;
    this.#loop = options.loop ?? false;
    this.observation = create(capacity * length);
    this.nextObservation = create(capacity * length);
    this.action = new Float32Array(capacity * actionLength);
    this.reward = new Float32Array(capacity);
    this.terminated = new Uint8Array(capacity);
    this.truncated = new Uint8Array(capacity);
  }

  add(observation: A, action: Float32Array, reward: number, next: A, terminated: boolean, truncated: boolean): void {
    const row = this.#next;
    const [length, actionLength, loop] = [this.#length, this.#actionLength, this.#loop];
    copyRow(observation, 0, this.observation, row * length, length, loop);
    copyRow(next, 0, this.nextObservation, row * length, length, loop);
    copyRow(action, 0, this.action, row * actionLength, actionLength, loop);
    this.reward[row] = reward;
    this.terminated[row] = terminated ? 1 : 0;
    this.truncated[row] = truncated ? 1 : 0;
    this.#next = row + 1 === this.#capacity ? 0 : row + 1;
  }

  /** Copies rows into arrays that are used again. */
  gather(rows: ArrayLike<number>, out: Gathered<A>): void {
    const [length, actionLength, loop] = [this.#length, this.#actionLength, this.#loop];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      copyRow(this.observation, row * length, out.observation, i * length, length, loop);
      copyRow(this.nextObservation, row * length, out.nextObservation, i * length, length, loop);
      copyRow(this.action, row * actionLength, out.action, i * actionLength, actionLength, loop);
      out.reward[i] = this.reward[row] as number;
      out.terminated[i] = this.terminated[row] as number;
      out.truncated[i] = this.truncated[row] as number;
    }
  }
}

export interface Gathered<A extends Numbers> {
  readonly observation: A;
  readonly nextObservation: A;
  readonly action: Float32Array;
  readonly reward: Float32Array;
  readonly terminated: Uint8Array;
  readonly truncated: Uint8Array;
}

function copyRow(source: Numbers, from: number, target: Numbers, at: number, length: number, loop: boolean): void {
  if (loop) for (let i = 0; i < length; i++) target[at + i] = source[from + i] as number;
  else target.set(source.length === length ? source : source.subarray(from, from + length), at);
}
