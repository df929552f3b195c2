import { AsyncLocalStorage } from "node:async_hooks";
import type { Agent as HttpAgent } from "node:http";
import type { Socket } from "node:net";
import { repeat } from "../base/timers.ts";
import { eachRequest } from "./agent-requests.ts";
import { sentOn } from "./traffic.ts";

const TELL_EVERY_MS = 200;

/** What goes up at the moment: the connection of its last request, and what others had sent over it before. */
interface Upload {
  socket: Socket | null;
  sentBefore: number;
}

/**
 * Tells of one upload among many how much of it has gone out. SDKs hand a body over whole and say nothing until the
 * answer; only its connection tells, and which one it is shows when the request is given to the agent, which happens in
 * the asynchronous context of whoever asked for the upload.
 */
export class SentBytes {
  readonly #uploads = new AsyncLocalStorage<Upload>();

  watch(agent: HttpAgent): void {
    eachRequest(agent, (request) => {
      const upload = this.#uploads.getStore();
      if (upload === undefined) return;
      request.once("socket", (socket) => {
        upload.socket = socket;
        upload.sentBefore = sentOn(socket);
      });
    });
  }

  /**
   * Runs `upload`, and tells meanwhile how many of its bytes the system has taken over. The request's head and what TLS
   * adds count as well, a kilobyte or so; the system's own buffers hold up to a few MB that have not arrived.
   */
  async during<Result>(
    totalBytes: number,
    onSent: ((bytesSent: number) => void) | undefined,
    upload: () => Promise<Result>,
  ): Promise<Result> {
    if (onSent === undefined) return upload();
    const underWay: Upload = { socket: null, sentBefore: 0 };
    let told = 0;
    const stop = repeat(TELL_EVERY_MS, () => {
      const { socket, sentBefore } = underWay;
      if (socket === null || socket.destroyed) return;
      const bytesSent = Math.min(totalBytes, Math.max(0, sentOn(socket) - sentBefore));
      if (bytesSent !== told) onSent(bytesSent);
      told = bytesSent;
    });
    try {
      return await this.#uploads.run(underWay, upload);
    } finally {
      stop();
    }
  }
}
