import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { ErrorFacts, RunRecord } from "../../src/record/run-record.ts";

const root = join(import.meta.dirname, "..", "..");

/** Where the page's files lie in this tree, by their folder under /assets/. */
const FOLDERS: Readonly<Record<string, string>> = {
  "dashboard/page": join(root, "src", "dashboard", "page"),
  record: join(root, "src", "record"),
  uplot: join(root, "node_modules", "uplot", "dist"),
};

const TYPES: Readonly<Record<string, string>> = {
  ...{ ts: "text/javascript", js: "text/javascript", css: "text/css", svg: "image/svg+xml", html: "text/html" },
};

/** As strict as the page can bear: what the real server sends may not be stricter. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const BATCH = 500;

export interface ReplayedRun {
  readonly name: string;
  readonly store: string;
  readonly isLive: boolean;
  readonly isListed?: boolean;
  readonly error?: ErrorFacts;
  readonly records: RunRecord[];
}

/** The dashboard's server as far as the page can tell, with records that a test makes up, and faults at its word. */
export class ReplayServer {
  readonly #runs: ReplayedRun[];
  readonly #streams: Map<number, Set<ServerResponse>> = new Map();
  readonly #server = createServer((request, response) => this.#answer(request, response));
  /** What every request but those for assets is answered with, while it is not null. */
  refusal: number | null = null;

  private constructor(runs: readonly ReplayedRun[]) {
    this.#runs = [...runs];
  }

  static async start(runs: readonly ReplayedRun[]): Promise<ReplayServer> {
    const server = new ReplayServer(runs);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  get openStreams(): number {
    return [...this.#streams.values()].reduce((sum, streams) => sum + streams.size, 0);
  }

  /** What happens in a run from now on. */
  send(run: number, records: readonly RunRecord[]): void {
    this.#runs[run]?.records.push(...records);
    for (const stream of this.#streams.get(run) ?? []) writeEvent(stream, "records", records);
  }

  change(run: number, changes: Partial<ReplayedRun>): void {
    const known = this.#runs[run];
    if (known !== undefined) this.#runs[run] = { ...known, ...changes };
  }

  dropStreams(): void {
    for (const streams of this.#streams.values()) for (const stream of streams) stream.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    response.setHeader("content-security-policy", POLICY);
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("cache-control", "no-store");
    const asset = /^\/assets\/(dashboard\/page|record|uplot)\/([\w.-]+)$/.exec(path);
    const events = /^\/api\/runs\/(\d+)\/events$/.exec(path);
    if (asset !== null) this.#sendFile(response, FOLDERS[asset[1] ?? ""] ?? "", asset[2] ?? "");
    else if (this.refusal !== null) response.writeHead(this.refusal).end("refused");
    else if (path === "/") this.#sendFile(response, FOLDERS["dashboard/page"] ?? "", "index.html");
    else if (path === "/api/runs") this.#sendRuns(response);
    else if (events !== null) this.#stream(Number(events[1]), response);
    else response.writeHead(404).end("not found");
  }

  #sendFile(response: ServerResponse, folder: string, name: string): void {
    const text = readFileSync(join(folder, name), "utf8");
    response.setHeader("content-type", `${TYPES[name.split(".").at(-1) ?? ""]}; charset=utf-8`);
    response.end(name.endsWith(".ts") ? stripTypeScriptTypes(text) : text);
  }

  #sendRuns(response: ServerResponse): void {
    const runs = this.#runs.map(({ name, store, isLive, isListed = true, error }, index) => ({
      ...{ id: String(index), name, store, isLive, isListed, error: error ?? null },
    }));
    response.setHeader("content-type", "application/json").end(JSON.stringify({ runs }));
  }

  #stream(run: number, response: ServerResponse): void {
    const streams = this.#streams.get(run) ?? new Set();
    this.#streams.set(run, streams);
    streams.add(response);
    response.on("close", () => streams.delete(response));
    response.writeHead(200, { "content-type": "text/event-stream" });
    writeEvent(response, "reset", {});
    const records = this.#runs[run]?.records ?? [];
    for (let at = 0; at < records.length; at += BATCH) writeEvent(response, "records", records.slice(at, at + BATCH));
    writeEvent(response, "ready", {});
  }
}

function writeEvent(stream: ServerResponse, name: string, data: unknown): void {
  stream.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
