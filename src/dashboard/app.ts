import { Hono } from "hono";
import type { Sleep } from "../base/timers.ts";
import { type AccessOptions, requireKnownHost, requireReading, requireToken, securityHeaders } from "./access.ts";
import type { Assets } from "./assets.ts";
import { eventStream } from "./event-stream.ts";
import type { RunSummary } from "./messages.ts";
import { metricsText } from "./metrics.ts";
import type { WatchedRun } from "./watched-run.ts";

/** Browsers open six connections to a host at most; this is for a few of them on one run. */
const MOST_STREAMS = 64;

export interface AppOptions extends AccessOptions {
  readonly runs: readonly WatchedRun[];
  readonly assets: Assets;
  readonly sleep: Sleep;
  /** Ends every stream. */
  readonly closing: AbortSignal;
}

/** What @hono/node-server hands over beside the request. */
interface Bindings {
  readonly outgoing?: { destroy(): void } | undefined;
}

type App = Hono<{ Bindings: Bindings }>;

/** Every answer of the dashboard's server: it reads, and changes nothing. */
export function createApp(options: AppOptions): App {
  const app: App = new Hono();
  app.use(securityHeaders());
  app.use(requireKnownHost(options.host));
  app.use(requireReading());
  app.get("/healthz", (context) => context.text("ok\n"));
  app.use(requireToken(options));
  addData(app, options);
  app.get("*", async (context) => {
    const asset = await options.assets.get(context.req.path);
    if (asset !== undefined) return context.body(asset.body, 200, { "content-type": asset.type });
    if (context.req.path === "/") return context.text("This build has no page; the data are at /api/runs.\n");
    return context.notFound();
  });
  app.notFound((context) => context.text("There is nothing here.\n", 404));
  // What failed is a matter of this machine, and of no reader.
  app.onError((_error, context) => context.text("This could not be answered.\n", 500));
  return app;
}

function addData(app: App, options: AppOptions): void {
  const { runs, sleep, closing } = options;
  let streams = 0;
  app.get("/api/runs", (context) => context.json({ runs: runs.map(summaryOf) }));
  app.get("/api/runs/:id/events", (context) => {
    const run = /^\d+$/.test(context.req.param("id")) ? runs[Number(context.req.param("id"))] : undefined;
    if (run === undefined) return context.notFound();
    const headers = { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" };
    if (context.req.method === "HEAD") return context.body(null, 200, headers);
    if (streams >= MOST_STREAMS) {
      return context.text(`${MOST_STREAMS} readers are connected already.\n`, 503, { "retry-after": "15" });
    }
    streams++;
    const drop = (): void => context.env?.outgoing?.destroy();
    const onEnd = (): void => {
      streams--;
    };
    return context.body(eventStream(run.feed, { sleep, signal: closing, drop, onEnd }), 200, headers);
  });
  app.get("/metrics", async (context) => {
    const names = runs.map(({ source }) => source.name);
    const measured = runs.map(({ source, isLive, feed }, index) => {
      const isAlone = names.indexOf(source.name) === names.lastIndexOf(source.name);
      return { label: isAlone ? source.name : `${source.name} (${index})`, isLive, totals: feed.totals };
    });
    const { type, text } = await metricsText(measured);
    return context.body(text, 200, { "content-type": type });
  });
}

function summaryOf(run: WatchedRun, index: number): RunSummary {
  const { source, isLive, error } = run;
  return {
    id: String(index),
    name: source.name,
    store: source.storeUrl,
    isLive,
    isListed: source.store !== null,
    error,
  };
}
