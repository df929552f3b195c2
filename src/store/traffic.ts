import type { Socket } from "node:net";

/** Node's own time-outs of sockets look at what the operating system has not taken over yet; nothing public tells it. */
interface Handle {
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
  /** Of TLS: the connection below it, which may be TLS again, to a proxy. */
  readonly _parent?: Handle | null;
}

/** How many bytes move on a number of connections. */
export class Traffic {
  readonly #open = new Set<Socket>();
  #ofClosed = 0;

  add(socket: Socket): void {
    if (this.#open.has(socket)) return;
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      this.#ofClosed += movedOn(socket);
    });
  }

  /** Either way, so far. */
  movedBytes(): number {
    return [...this.#open].reduce((sum, socket) => sum + movedOn(socket), this.#ofClosed);
  }
}

/** Either way. */
export function movedOn(socket: Socket): number {
  return socket.bytesRead + sentOn(socket);
}

/**
 * What the system has taken over of what was to be sent. A write is handed over whole, at once: what still waits of it
 * has not moved.
 */
export function sentOn(socket: Socket): number {
  let handle = (socket as { readonly _handle?: Handle | null })._handle;
  while (handle?._parent) handle = handle._parent;
  const { bytesWritten = socket.bytesWritten, writeQueueSize = 0 } = handle ?? {};
  return bytesWritten - writeQueueSize;
}
