import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import type { RunRecord } from "../record/run-record.ts";
import { createApp } from "./app.ts";
import { Assets } from "./assets.ts";
import type { DashboardStart } from "./messages.ts";
import type { WatchTime } from "./watched-run.ts";
import { WatchedRun } from "./watched-run.ts";

/** Streams that have ended are sent to their last byte in this time. */
const LAST_BYTES_MS = 500;

const MOST_CONNECTIONS = 256;

/** A request is a line and a few headers: whoever takes longer to say it holds a connection only. */
const REQUEST_MS = 10_000;

/** The server and the runs that it shows. */
export class DashboardServer {
  readonly #start: DashboardStart;
  readonly #time: WatchTime;
  readonly #runs: readonly WatchedRun[];
  readonly #closing = new AbortController();
  readonly #server: Server;
  #port: number;
  #watching: Promise<unknown> = Promise.resolve();

  constructor(start: DashboardStart, time: WatchTime, assets: Assets = new Assets()) {
    this.#start = start;
    this.#time = time;
    this.#runs = start.runs.map((source) => new WatchedRun(source, time));
    const { host, token } = start;
    const { sleep } = time;
    this.#port = start.port;
    const port = (): number => this.port;
    const app = createApp({ host, port, token, runs: this.#runs, assets, sleep, closing: this.#closing.signal });
    this.#server = createAdaptorServer({ fetch: app.fetch, hostname: host }) as Server;
    this.#server.maxConnections = MOST_CONNECTIONS;
    this.#server.headersTimeout = REQUEST_MS;
    this.#server.requestTimeout = REQUEST_MS;
  }

  /** Stays as it is while the server closes: connections that are open then still ask by it. */
  get port(): number {
    return this.#port;
  }

  /** @throws Node's error where the address is taken or not ours */
  async listen(): Promise<void> {
    const { host, port } = this.#start;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(port, host, resolve);
    await promise;
    this.#server.off("error", reject);
    this.#port = (this.#server.address() as AddressInfo).port;
    this.#watching = Promise.all(this.#runs.map((run) => run.watch(this.#closing.signal)));
    // Told where it is waited for; until then it must not count as unhandled.
    this.#watching.catch(() => undefined);
  }

  /** Ends where a run cannot be watched any more, which is a fault of this program. */
  get watching(): Promise<unknown> {
    return this.#watching;
  }

  /** A record of the run that trains in this process. */
  take(record: RunRecord): void {
    this.#runs.find(({ isLive }) => isLive)?.take(record);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await Promise.race([closed, this.#time.sleep(LAST_BYTES_MS)]);
    this.#server.closeAllConnections();
    await closed;
    await this.#watching;
  }
}
