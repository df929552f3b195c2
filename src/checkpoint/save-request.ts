import { InvalidArgumentError } from "../errors.ts";
import type { AnyBuffer, SaveRequest } from "./options.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import { type EncodedState, encodeState } from "./state-tree.ts";

/** Names of buffers and metrics: they become part of names in the format. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;

export interface CheckedRequest {
  readonly step: number;
  readonly buffers: readonly (readonly [name: string, buffer: AnyBuffer])[];
  readonly state: EncodedState | null;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Checks all of a request before anything is copied or changed. Cost: the number of values in `state`. */
export function checkSaveRequest(request: SaveRequest): CheckedRequest {
  if (typeof request !== "object" || request === null) {
    throw new InvalidArgumentError("save()", "an object with `step`", request);
  }
  assertKnownKeys("save()", request, ["step", "buffer", "state", "metrics"]);
  const { step, buffer, state, metrics = {} } = request;
  if (!Number.isSafeInteger(step) || step < 0) throw new InvalidArgumentError("step", "a non-negative integer", step);
  for (const [name, value] of Object.entries(metrics)) {
    if (!isName(name)) throw new InvalidArgumentError("metrics", "names of letters, digits, _ and -", name);
    if (typeof value !== "number") throw new InvalidArgumentError(`metrics.${name}`, "a number", value);
  }
  return { step, buffers: namedBuffers(buffer), state: state === undefined ? null : encodeState(state), metrics };
}

/** Names that every object has already, such as `constructor`, are refused by the format. */
function isName(name: string): boolean {
  return NAME.test(name) && !(name in Object.prototype);
}

/** One buffer is named "default". */
export function namedBuffers(buffer: SaveRequest["buffer"]): readonly (readonly [string, AnyBuffer])[] {
  if (buffer === undefined) return [];
  if (buffer instanceof ReplayBuffer) return [["default", buffer]];
  // What is no plain record, such as a Map, has no entries: it would be saved as no buffer at all.
  if (typeof buffer !== "object" || buffer === null || !isPlainRecord(buffer)) {
    throw new InvalidArgumentError("buffer", "a ReplayBuffer or a record of named ones", buffer);
  }
  const entries = Object.entries<AnyBuffer>(buffer);
  if (entries.length === 0) throw new InvalidArgumentError("buffer", "a record of at least one ReplayBuffer", buffer);
  for (const [name, value] of entries) {
    if (!isName(name)) throw new InvalidArgumentError("buffer", "names of letters, digits, _ and -", name);
    if (!(value instanceof ReplayBuffer)) throw new InvalidArgumentError(`buffer.${name}`, "a ReplayBuffer", value);
  }
  return entries;
}

function isPlainRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A misspelt key must not pass for one that was left out: the buffer would silently not be saved. */
export function assertKnownKeys(what: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new InvalidArgumentError(what, `an object with ${known.join(", ")} only`, unknown);
}
