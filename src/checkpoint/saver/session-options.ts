import type { Clock } from "../../base/clock.ts";
import type { IdSource } from "../../base/ids.ts";
import type { Random } from "../../base/random.ts";
import type { Sleep } from "../../base/timers.ts";
import { InvalidArgumentError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import type { FromSaver, SaverCall, SaverStart } from "../messages.ts";
import type { RestoreProgress, SyncProgress } from "../options.ts";
import type { SharedStatus } from "../shared-status.ts";

export interface SessionOptions {
  readonly start: SaverStart;
  readonly status: SharedStatus;
  /** Null for a saver of single files. */
  readonly store: Store | null;
  readonly local: Store | null;
  readonly tell: (message: FromSaver) => void;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly sleep: Sleep;
  /** For the jitter of pauses; nothing that is stored depends on it. */
  readonly random: Pick<Random, "uniform">;
}

export interface CallContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RestoreProgress | SyncProgress) => void;
}

/** For a call that this kind of session does not have: a mistake of ours, not of the user's. */
export function unknownCall(call: SaverCall): never {
  throw new InvalidArgumentError("call", "a method of this saver", call.method);
}
