import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Connections that an adapter keeps and uses again. Closed with the adapter. */
export interface IdleAgents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /** Connections cut so far: SDKs hide why a body broke off, this tells. */
  idleCuts(): number;
  close(): void;
}

/** Connections kept to one host: more than any number of transfers under way that makes sense. */
const MAX_SOCKETS = 64;

/**
 * Agents whose connections are cut when nothing moves on them for `idleTimeoutMs`, in either direction: an upload of
 * any size may take its time, one that stands still may not. The SDKs' own time-outs are on the whole request.
 */
export function createIdleAgents(idleTimeoutMs: number): IdleAgents {
  // The agent sets this time-out again whenever it hands a kept connection out.
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: idleTimeoutMs };
  const http = new HttpAgent(options);
  const https = new HttpsAgent(options);
  let cuts = 0;
  const onCut = (): void => {
    cuts += 1;
  };
  for (const agent of [http, https]) cutWhenIdle(agent, idleTimeoutMs, onCut);
  return {
    http,
    https,
    idleCuts: () => cuts,
    close: () => {
      http.destroy();
      https.destroy();
    },
  };
}

function cutWhenIdle(agent: HttpAgent, idleTimeoutMs: number, onCut: () => void): void {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback): Duplex | null | undefined => {
    const socket = connect(options, callback) as Socket | undefined;
    socket?.on("timeout", () => {
      onCut();
      socket.destroy(idleError(idleTimeoutMs));
    });
    return socket;
  };
}

function idleError(idleTimeoutMs: number): Error {
  return Object.assign(new Error(`nothing moved for ${idleTimeoutMs} ms`), { code: "ETIMEDOUT" });
}
