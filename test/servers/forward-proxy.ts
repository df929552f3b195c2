import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A proxy as companies put before the Internet: forwards plain requests, and opens tunnels for those over TLS. */
export interface ForwardProxy {
  readonly url: string;
  /** `CONNECT host:port`, `PUT http://host:port/path`: what it was asked for, with a name and a password before it. */
  readonly requests: readonly string[];
  /** Where it stands still, refuses or breaks off, in place of doing its work. */
  fault: "no answer" | "no bytes in the tunnel" | "closes" | { readonly status: number } | null;
  /** From now on nothing that is open moves any more. */
  freeze(): void;
  close(): Promise<void>;
}

/** Starts it. Every host that it is asked for is this machine: names need not exist. */
export async function startForwardProxy(): Promise<ForwardProxy> {
  const requests: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((incoming, answer) => {
    note(incoming);
    if (isFaulty(incoming.socket)) return;
    forward(incoming, answer, open);
  });
  const note = ({ method, url, headers }: IncomingMessage): void => {
    const word = headers["proxy-authorization"]?.replace("Basic ", "") ?? "";
    requests.push([Buffer.from(word, "base64").toString(), method, url].filter((part) => part !== "").join(" "));
  };
  const isFaulty = (socket: Socket): boolean => {
    const { fault } = proxy;
    if (fault === "closes") socket.end();
    else if (fault !== null && typeof fault === "object") {
      socket.end(`HTTP/1.1 ${fault.status} No\r\ncontent-length: 0\r\n\r\n`);
    }
    return fault !== null && fault !== "no bytes in the tunnel";
  };
  server.on("connect", (incoming, duplex) => {
    const socket = duplex as Socket;
    socket.on("error", () => socket.destroy());
    note(incoming);
    if (isFaulty(socket)) return;
    const answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (proxy.fault !== null) {
      socket.write(answer);
      return;
    }
    const onward = connect(Number(incoming.url?.split(":").at(-1)), "127.0.0.1", () => {
      socket.write(answer);
      onward.pipe(socket).pipe(onward);
    });
    for (const each of [socket, onward]) open.add(each);
    onward.on("error", () => socket.destroy()).on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  });
  server.on("connection", (socket) => open.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: ForwardProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fault: null,
    freeze: () => {
      for (const socket of open) socket.unpipe().removeAllListeners("data").pause();
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}

function forward(incoming: IncomingMessage, answer: ServerResponse, open: Set<Socket>): void {
  const { method, headers } = incoming;
  const { port, pathname, search } = new URL(incoming.url ?? "");
  const onward = request({ host: "127.0.0.1", port, method, path: pathname + search, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  onward.on("socket", (socket) => open.add(socket)).on("error", () => incoming.socket.destroy());
  incoming.pipe(onward);
}
