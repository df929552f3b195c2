import { raceAbort } from "../../base/abort.ts";
import { isVarveError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import { throwIfAborted } from "../request.ts";
import type { AccessHeaders, GcsAccess } from "./gcs-access.ts";
import { answerError, connectionError, signInError } from "./gcs-errors.ts";
import { exchange, type HttpAnswer, type HttpRequest } from "./gcs-http.ts";

export interface GcsRequest {
  readonly operation: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  readonly method: HttpRequest["method"];
  /** Below the endpoint, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Uint8Array[];
  readonly mostBytes?: number;
}

/** To an upload under way: its URL lets in whoever knows it, so no credentials go along. */
export type SessionRequest = Omit<GcsRequest, "path"> & { readonly session: URL };

/** Far more than a page of a listing. */
const MOST_JSON_BYTES = 64 * 1024 * 1024;

const UNAUTHORIZED = 401;

/** Sends requests one by one; what goes wrong with them becomes a StoreError. */
export class GcsRequests {
  readonly endpoint: string;
  readonly #access: GcsAccess;
  readonly #agents: IdleAgents;

  constructor(access: GcsAccess, agents: IdleAgents) {
    this.endpoint = access.endpoint;
    this.#access = access;
    this.#agents = agents;
  }

  /** @param accepted - statuses, beside those of success, that are an answer and no failure */
  async send(request: GcsRequest | SessionRequest, accepted: readonly number[] = []): Promise<HttpAnswer> {
    const { operation, key, signal } = request;
    throwIfAborted(signal, operation, key);
    const work = this.#exchange(request, accepted);
    try {
      return await (signal === undefined ? work : raceAbort(work, signal));
    } catch (error) {
      if (isVarveError(error)) throw error;
      throw connectionError(request, error);
    }
  }

  async #exchange(request: GcsRequest | SessionRequest, accepted: readonly number[]): Promise<HttpAnswer> {
    const isSession = "session" in request;
    const url = isSession ? request.session : new URL(this.endpoint + request.path);
    let access: AccessHeaders = isSession ? {} : await this.#authorize(request);
    let answer = await this.#sendWith(access, url, request);
    // A token may end before its time: withdrawn, or by a clock that is wrong. Only a new one tells if that was it.
    if (answer.status === UNAUTHORIZED && access["authorization"] !== undefined) {
      access = await this.#authorize(request, access);
      answer = await this.#sendWith(access, url, request);
    }
    if ((answer.status >= 200 && answer.status < 300) || accepted.includes(answer.status)) return answer;
    throw answerError(request, answer, isSession ? [...url.searchParams.values()] : tokensOf(access));
  }

  async #sendWith(
    access: AccessHeaders,
    url: URL,
    { method, signal, headers = {}, body = [], mostBytes = MOST_JSON_BYTES }: GcsRequest | SessionRequest,
  ): Promise<HttpAnswer> {
    return exchange({ method, url, headers: { ...headers, ...access }, body, mostBytes }, this.#agents, signal);
  }

  async #authorize(request: GcsRequest | SessionRequest, refused?: AccessHeaders): Promise<AccessHeaders> {
    try {
      return await this.#access.authorize(refused);
    } catch (error) {
      throw signInError(request, error);
    }
  }
}

function tokensOf({ authorization }: AccessHeaders): readonly string[] {
  return authorization === undefined ? [] : [authorization.replace(/^\w+ /, "")];
}
