import { raceAbort } from "../../base/abort.ts";
import { isVarveError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import { throwIfAborted } from "../request.ts";
import { azureError, codeOf } from "./azure-errors.ts";

export interface AzureRequest {
  readonly operation: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
}

/** Sends requests one by one; what they reject with becomes a StoreError. */
export class AzureRequests {
  readonly #agents: IdleAgents;

  constructor(agents: IdleAgents) {
    this.#agents = agents;
  }

  async send<Result>({ operation, key, signal }: AzureRequest, work: () => Promise<Result>): Promise<Result> {
    throwIfAborted(signal, operation, key);
    const cutsBefore = this.#agents.idleCuts();
    try {
      return await (signal === undefined ? work() : raceAbort(work(), signal));
    } catch (error) {
      if (isVarveError(error)) throw error;
      throw azureError(error, { operation, key, signal, wasIdle: this.#agents.idleCuts() > cutsBefore });
    }
  }

  /**
   * @param codes - words of the service that are an answer and no failure
   * @returns what `work` resolves to; null where the service answered with one of these words
   */
  async sendUnless<Result>(
    codes: readonly string[],
    request: AzureRequest,
    work: () => Promise<Result>,
  ): Promise<Result | null> {
    return this.send(request, async () => {
      try {
        return await work();
      } catch (error) {
        if (codes.includes(codeOf(error))) return null;
        throw error;
      }
    });
  }
}

/** The option as the SDK has it. */
export function abortedBy(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
