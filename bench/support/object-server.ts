import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A server of the S3 protocol in a process of its own. */
export interface ObjectServer {
  readonly port: number;
  readonly bucket: string;
  readonly endpoint: string;
  readonly isSecure: boolean;
  /** Forgets every object: what was uploaded must not fill the memory of the machine. */
  clear(): Promise<void>;
  close(): void;
}

export interface ObjectServerOptions {
  /** Over TLS, with the certificate that the processes of cases trust. */
  readonly isSecure?: boolean;
  /** Takes what the others leave of the cores: it stands for a machine elsewhere. */
  readonly isNiced?: boolean;
}

/** Starts it; the credentials that any client needs to have are set for this process. */
export async function startObjectServer({
  isSecure = false,
  isNiced = false,
}: ObjectServerOptions = {}): Promise<ObjectServer> {
  process.env["AWS_ACCESS_KEY_ID"] ??= "bench";
  process.env["AWS_SECRET_ACCESS_KEY"] ??= "bench";
  const main = join(
    import.meta.dirname,
    `object-server-process${import.meta.filename.endsWith(".ts") ? ".ts" : ".js"}`,
  );
  const options = [...(isSecure ? ["--tls"] : []), ...(isNiced ? ["--nice"] : [])];
  const child = fork(main, options, { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [{ port, bucket }] = (await once(child, "message")) as [{ port: number; bucket: string }];
  return {
    port,
    bucket,
    endpoint: `${isSecure ? "https" : "http"}://127.0.0.1:${port}`,
    isSecure,
    clear: async () => {
      child.send("clear");
      await once(child, "message");
    },
    close: () => child.disconnect(),
  };
}
