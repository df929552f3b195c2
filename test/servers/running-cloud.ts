import type { OpenStoreOptions } from "../../src/store/open-store.ts";

/** A server of one provider's protocol on this machine, and how a client reaches it. */
export interface RunningCloud {
  readonly name: "gcs" | "s3" | "azure";
  /** Of 127.0.0.1. */
  readonly port: number;
  /** What `openStore` needs to reach this server, or a proxy on another port before it. */
  options(port?: number): OpenStoreOptions;
  /** The URL of a place that nothing was ever written to. */
  newUrl(): string;
  close(): Promise<void>;
}
