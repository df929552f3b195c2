import type { S3Client } from "@aws-sdk/client-s3";
import { raceAbort } from "../../base/abort.ts";
import { isVarveError } from "../../errors.ts";
import type { IdleAgents } from "../idle-agent.ts";
import { throwIfAborted } from "../request.ts";
import { codeOf, noCredentials, s3Error } from "./s3-errors.ts";

export interface S3Request {
  readonly operation: string;
  readonly key: string;
  readonly signal: AbortSignal | undefined;
}

/** The second argument of the SDK's `send`. */
export interface SendOptions {
  readonly abortSignal?: AbortSignal;
}

type Work<Result> = (client: S3Client, options: SendOptions) => Promise<Result>;

/** A client of the SDK, with the credentials that it once found. */
interface Connection {
  readonly client: S3Client;
  hasWorked: boolean;
}

const CREDENTIALS_EXPIRED: readonly string[] = ["ExpiredToken", "TokenRefreshRequired"];

/**
 * Sends requests one by one; what they reject with becomes a StoreError.
 *
 * The SDK keeps credentials until the time that they tell of themselves, and those of a file for ever. When the service
 * says that they have expired, the next request asks the chain again; the one that failed is worth a second try if the
 * credentials had ever worked.
 */
export class S3Requests {
  readonly #createClient: () => S3Client;
  readonly #agents: IdleAgents;
  #connection: Connection;

  constructor(createClient: () => S3Client, agents: IdleAgents) {
    this.#createClient = createClient;
    this.#agents = agents;
    this.#connection = { client: createClient(), hasWorked: false };
  }

  async send<Result>(request: S3Request, work: Work<Result>): Promise<Result> {
    const { operation, key, signal } = request;
    throwIfAborted(signal, operation, key);
    const connection = this.#connection;
    const cutsBefore = this.#agents.idleCuts();
    try {
      const working = this.#work(connection.client, request, work);
      const result = await (signal === undefined ? working : raceAbort(working, signal));
      connection.hasWorked = true;
      return result;
    } catch (error) {
      if (isVarveError(error)) throw error;
      const isExpired = CREDENTIALS_EXPIRED.includes(codeOf(error));
      if (isExpired) this.#renew(connection);
      const wasIdle = this.#agents.idleCuts() > cutsBefore;
      throw s3Error(error, { operation, key, signal, wasIdle, isRenewed: isExpired && connection.hasWorked });
    }
  }

  /**
   * @param codes - words of the service that are an answer and no failure
   * @returns what `work` resolves to; null where the service answered with one of these words
   */
  async sendUnless<Result>(codes: readonly string[], request: S3Request, work: Work<Result>): Promise<Result | null> {
    return this.send(request, async (client, options) => {
      try {
        return await work(client, options);
      } catch (error) {
        if (codes.includes(codeOf(error))) return null;
        throw error;
      }
    });
  }

  async #work<Result>(client: S3Client, request: S3Request, work: Work<Result>): Promise<Result> {
    try {
      // Kept by the SDK: asked for here only to tell what the chain says from what S3 says.
      await client.config.credentials();
    } catch (error) {
      throw noCredentials(error, request);
    }
    const { signal } = request;
    return work(client, signal === undefined ? {} : { abortSignal: signal });
  }

  /** Requests under way stay with the old client; the connections are shared. */
  #renew(expired: Connection): void {
    if (this.#connection === expired) this.#connection = { client: this.#createClient(), hasWorked: false };
  }
}
