import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A line to a server on this machine that carries only so many bytes a second upwards, over all connections together. */
export interface SlowLine {
  readonly port: number;
  /** Since the start, upwards. */
  readonly bytesCarried: number;
  /** Of all bytes from now on. */
  setRate(bytesPerSecond: number): void;
  close(): Promise<void>;
}

export async function startSlowLine(targetPort: number, bytesPerSecond: number): Promise<SlowLine> {
  const sockets = new Set<Socket>();
  let rate = bytesPerSecond;
  let carried = 0;
  let freeAtMs = 0;

  /** The bytes stay where they are until their turn: with the sender, who is not read from meanwhile. */
  async function pass(bytes: number): Promise<void> {
    const nowMs = performance.now();
    freeAtMs = Math.max(nowMs, freeAtMs) + (bytes / rate) * 1000;
    if (freeAtMs - nowMs > 1) await sleep(freeAtMs - nowMs);
    carried += bytes;
  }

  const server = createServer((client) => {
    const onward = connect(targetPort, "127.0.0.1");
    join(client, onward, sockets);
    client.on("data", (chunk) => {
      client.pause();
      void pass(chunk.length).then(() => {
        onward.write(chunk);
        client.resume();
      });
    });
    onward.on("data", (chunk) => client.write(chunk));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    get bytesCarried() {
      return carried;
    },
    setRate: (next) => {
      rate = next;
      freeAtMs = 0;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What ends one side ends the other in the same way. */
function join(client: Socket, onward: Socket, sockets: Set<Socket>): void {
  for (const [socket, other] of [
    [client, onward],
    [onward, client],
  ] as const) {
    sockets.add(socket);
    socket.on("end", () => other.end());
    socket.on("error", () => other.resetAndDestroy());
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
  }
}
