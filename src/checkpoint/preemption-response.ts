import { isPromiseLike } from "../base/promise-like.ts";
import { InvalidArgumentError } from "../errors.ts";
import { CLOSE_TIMEOUT_MS, type CloseLimits } from "./messages.ts";
import type { SaveRequest } from "./options.ts";
import { preemption } from "./preemption.ts";

export interface PreemptionActions {
  readonly save: (request: SaveRequest) => void;
  /** From now on the newest checkpoint goes first. */
  readonly hurry: () => void;
  /** The run is being closed: then that has a limit. */
  readonly limitClosing: (limits: CloseLimits) => void;
  readonly warn: (message: string) => void;
}

/**
 * What a checkpointer does about SIGTERM: while it is open, the newest state is saved and goes first; from `close()` on,
 * that has no more time than is left.
 */
export class PreemptionResponse {
  readonly #actions: PreemptionActions;
  readonly #closeTimeoutMs: number;
  readonly #stopListening: () => void;
  #requestOf: (() => SaveRequest | null) | undefined;
  #isClosing = false;

  constructor(closeTimeoutMs: number = CLOSE_TIMEOUT_MS, actions: PreemptionActions) {
    this.#closeTimeoutMs = closeTimeoutMs;
    this.#actions = actions;
    this.#stopListening = preemption.onReached({
      respond: () => this.#respond(),
      onError: (error) => {
        const why = error instanceof Error ? error.message : String(error);
        actions.warn(`nothing was saved on SIGTERM: ${why}`);
      },
    });
  }

  /** From now on; undefined: nothing is listened for on this run's account. */
  saveWith(requestOf: (() => SaveRequest | null) | undefined): void {
    this.#requestOf = requestOf;
    if (requestOf !== undefined) preemption.watch();
  }

  /** Nothing is saved any more. @returns what is left of the store's time, if the signal has come */
  closing(): CloseLimits {
    this.#isClosing = true;
    return { storeTimeoutMs: preemption.leftOf(this.#closeTimeoutMs) };
  }

  /** It is closed. */
  end(): void {
    this.#stopListening();
  }

  #respond(): void {
    if (this.#isClosing) this.#actions.limitClosing({ storeTimeoutMs: this.#closeTimeoutMs });
    else if (this.#requestOf !== undefined) this.#saveAtOnce(this.#requestOf);
  }

  #saveAtOnce(requestOf: () => SaveRequest | null): void {
    const { save, hurry } = this.#actions;
    // Before the save: it must not be skipped, nor wait behind others.
    hurry();
    const request: unknown = requestOf();
    if (isPromiseLike(request)) {
      request.then(undefined, () => undefined);
      throw new InvalidArgumentError(
        "saveOnPreemption",
        "a function that must not be async",
        "one returning a promise",
      );
    }
    if (request !== null) save(request as SaveRequest);
  }
}
