import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { systemSleep } from "../base/timers.ts";
import { cutWhenAnsweredEarly } from "./agent-requests.ts";
import { type Environment, proxyEnvironment, tunnelError, wrongProxyError } from "./proxy.ts";
import { SentBytes } from "./sent-bytes.ts";
import { Stillness } from "./stillness.ts";
import { Traffic } from "./traffic.ts";

/** Connections that an adapter keeps and uses again. Closed with the adapter. */
export interface IdleAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /** Connections cut so far: SDKs hide why a body broke off, this tells. */
  idleCuts(): number;
  /** Bytes that went either way over any of the connections so far. */
  movedBytes(): number;
  /** Runs an upload, and tells meanwhile how much of it has gone out. */
  sending: SentBytes["during"];
  close(): void;
}

/** Connections kept to one host: more than any number of transfers under way that makes sense. */
const MAX_SOCKETS = 64;

/**
 * Agents whose connections are cut when nothing moves on them for `idleTimeoutMs`, in either direction: an upload of
 * any size may take its time, one that stands still may not. The SDKs' own time-outs are on the whole request.
 *
 * They go through the proxies that the environment names, where Node can (22.21 or later of 22, 24.5 or later).
 *
 * @throws InvalidArgumentError for a proxy that is no URL
 */
export function createIdleAgents(
  idleTimeoutMs: number,
  // oxlint-disable-next-line no-restricted-properties -- a proxy is named by the environment or by nothing
  environment: Environment = process.env,
): IdleAgents {
  // The agent sets this time-out again whenever it hands a kept connection out.
  const options = {
    keepAlive: true,
    maxSockets: MAX_SOCKETS,
    timeout: idleTimeoutMs,
    proxyEnv: proxyEnvironment(environment),
  };
  const { http, https } = createAgents(options);
  let cuts = 0;
  const onCut = (): void => {
    cuts += 1;
  };
  const opening = new Set<Duplex>();
  const traffic = new Traffic();
  const sent = new SentBytes();
  for (const agent of [http, https]) {
    cutWhenIdle({ agent, idleTimeoutMs, onCut, opening, traffic });
    sent.watch(agent);
    cutWhenAnsweredEarly(agent);
  }
  return {
    http,
    https,
    idleCuts: () => cuts,
    movedBytes: () => traffic.movedBytes(),
    sending: (totalBytes, onSent, upload) => sent.during(totalBytes, onSent, upload),
    close: () => {
      http.destroy();
      https.destroy();
      // Without an error whoever waits for a tunnel would wait for ever.
      for (const socket of opening) socket.destroy(Object.assign(new Error("closed"), { code: "ECONNABORTED" }));
    },
  };
}

function createAgents(options: ConstructorParameters<typeof HttpsAgent>[0]): Pick<IdleAgents, "http" | "https"> {
  try {
    return { http: new HttpAgent(options), https: new HttpsAgent(options) };
  } catch (error) {
    throw wrongProxyError(error);
  }
}

interface Watched {
  readonly agent: HttpAgent;
  readonly idleTimeoutMs: number;
  readonly onCut: () => void;
  /** Connections to proxies with no tunnel through them yet: no agent knows of these. */
  readonly opening: Set<Duplex>;
  readonly traffic: Traffic;
}

function cutWhenIdle({ agent, idleTimeoutMs, onCut, opening, traffic }: Watched): void {
  const connect = agent.createConnection.bind(agent);
  const cut = (socket: Duplex): void => {
    onCut();
    socket.destroy(idleError(idleTimeoutMs));
  };
  const watch = (socket: Socket): void => {
    // A body is handed to TLS whole, and Node's time-out then sees nothing of it go out before all of it has.
    const stillness = socket instanceof TLSSocket ? new Stillness(socket, idleTimeoutMs) : null;
    // A connection to a proxy has no time-out of its own.
    socket.setTimeout(idleTimeoutMs).on("timeout", () => {
      const leftMs = stillness === null ? 0 : idleTimeoutMs - stillness.ms;
      if (leftMs > 0) socket.setTimeout(Math.ceil(leftMs));
      else cut(socket);
    });
    traffic.add(socket);
  };
  agent.createConnection = (options, callback): Duplex | null | undefined => {
    const tunnel = new AbortController();
    let isCut = false;
    const socket = connect(options, (error, opened) => {
      tunnel.abort();
      if (socket !== undefined) opening.delete(socket);
      if (!error) {
        // Without a tunnel this says that a connection stands, which nobody waits for.
        if (opened !== undefined && opened !== socket) watch(opened as Socket);
        callback?.(error, opened);
        return;
      }
      socket?.destroy();
      const told = isCut ? idleError(idleTimeoutMs) : tunnelError(error, () => idleError(idleTimeoutMs));
      if (!isCut && (told as NodeJS.ErrnoException).code === "ETIMEDOUT") onCut();
      callback?.(told, opened);
    }) as Socket | undefined;
    if (socket === undefined) return socket;
    queueMicrotask(() => {
      if (isTaken(agent, socket)) {
        watch(socket);
        return;
      }
      // Node gives the proxy's answer a time, and none to the handshake inside the tunnel.
      opening.add(socket);
      systemSleep(idleTimeoutMs, tunnel.signal).then(
        () => {
          isCut = true;
          cut(socket);
        },
        () => opening.delete(socket),
      );
    });
    return socket;
  };
}

/** A tunnel is the agent's as soon as it is open; every other connection at once. */
function isTaken({ sockets }: HttpAgent, socket: Socket): boolean {
  return Object.values(sockets).some((ofHost) => ofHost?.includes(socket));
}

function idleError(idleTimeoutMs: number): Error {
  return Object.assign(new Error(`nothing moved for ${idleTimeoutMs} ms`), { code: "ETIMEDOUT" });
}
