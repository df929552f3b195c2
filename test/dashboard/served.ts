import { request } from "node:http";
import { onTestFinished } from "vitest";
import { type DashboardOptions, startDashboard } from "../../src/dashboard/dashboard.ts";
import type { RunRecord } from "../../src/record/run-record.ts";

export const TOKEN = "a-token-of-these-tests";

export async function served(options: DashboardOptions) {
  const dashboard = await startDashboard({ token: TOKEN, ...options });
  onTestFinished(() => dashboard.close());
  return dashboard;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Asks with exactly these headers and this path: `fetch` would put both in order first. */
export function ask(
  { port }: { readonly port: number },
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (answer) => {
      answer.setEncoding("utf8");
      let body = "";
      answer.on("data", (text: string) => {
        body += text;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
}

export const withToken = { authorization: `Bearer ${TOKEN}` };

export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Reads a run's events until `isEnough` says so, or the stream ends. */
export async function eventsUntil(
  { url }: { readonly url: string },
  isEnough: (events: readonly StreamEvent[]) => boolean,
  run = 0,
  headers: Readonly<Record<string, string>> = withToken,
): Promise<StreamEvent[]> {
  const ended = new AbortController();
  const answer = await fetch(`${url}api/runs/${run}/events`, { headers, signal: ended.signal });
  const events: StreamEvent[] = [];
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const parsed = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end));
      text = text.slice(end + 2);
      if (parsed !== null) events.push({ event: parsed[1] ?? "", data: JSON.parse(parsed[2] ?? "null") });
    }
    if (isEnough(events)) break;
  }
  ended.abort();
  return events;
}

export const isReady = (events: readonly StreamEvent[]): boolean => events.some(({ event }) => event === "ready");

/** What the events told, one record after another. */
export function recordsIn(events: readonly StreamEvent[]): RunRecord[] {
  return events.filter(({ event }) => event === "records").flatMap(({ data }) => data as RunRecord[]);
}
