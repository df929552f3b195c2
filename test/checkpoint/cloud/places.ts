import { join } from "node:path";
import { onTestFinished } from "vitest";
import { randomId } from "../../../src/base/ids.ts";
import { CloudSync, type CloudSyncOptions } from "../../../src/index.ts";
import { connectFolder } from "../../../src/store/folder/folder-client.ts";
import type { ObjectClient } from "../../../src/store/object-client.ts";
import { parseObjectUrl } from "../../../src/store/object-url.ts";
import { connectTo } from "../../../src/store/open-objects.ts";
import { startAzureCloud } from "../../servers/azure/azure-cloud.ts";
import { startGcsCloud } from "../../servers/gcs/gcs-cloud.ts";
import type { RunningCloud } from "../../servers/running-cloud.ts";
import { startS3Cloud } from "../../servers/s3/s3-cloud.ts";
import { temporaryFolder } from "../support.ts";

/** A place of its own for one test: how a CloudSync reaches it, and a look behind. */
export interface CloudPlaceOfTest {
  readonly options: CloudSyncOptions & { readonly project: string };
  /** The content of an object as text; null if there is none. */
  read(key: string): Promise<string | null>;
  write(key: string, text: string): Promise<void>;
  names(prefix: string): Promise<string[]>;
}

/** Every provider that can be had on this machine, by name: starts what it needs. */
export const providers: Readonly<Record<string, () => Promise<ProviderOfTest>>> = {
  local: async () => ({ newPlace: localPlace, close: async () => undefined }),
  gcs: async () => cloudProvider(await startGcsCloud()),
  azure: async () => cloudProvider(await startAzureCloud()),
  s3: async () => cloudProvider(await startS3Cloud()),
};

export interface ProviderOfTest {
  newPlace(): Promise<CloudPlaceOfTest>;
  close(): Promise<void>;
}

/** A CloudSync that is shut down when the test has ended, however it ended. */
export function openCloud(options: CloudSyncOptions): CloudSync {
  const cloud = new CloudSync({ log: false, ...options });
  onTestFinished(async () => {
    await cloud.shutdown({ wait: false });
  });
  return cloud;
}

/** A folder that stands for a bucket; `folder` lies beside it, empty, for local files. */
export async function localPlace(): Promise<CloudPlaceOfTest & { readonly folder: string; readonly bucket: string }> {
  const folder = await temporaryFolder();
  const bucket = join(folder, "bucket");
  const place = placeOf(connectFolder(bucket), { provider: "local", bucket, project: "project" });
  return { ...place, folder, bucket };
}

function placeOf(client: ObjectClient, options: CloudPlaceOfTest["options"]): CloudPlaceOfTest {
  return {
    options,
    read: async (key) => {
      const bytes = await client.get(key);
      return bytes === null ? null : Buffer.from(bytes).toString("latin1");
    },
    write: async (key, text) => {
      await client.put(key, Buffer.from(text));
    },
    names: async (prefix) => (await Array.fromAsync(client.list(prefix))).map(({ key }) => key),
  };
}

function cloudProvider(cloud: RunningCloud): ProviderOfTest {
  return { newPlace: () => cloudPlaceIn(cloud), close: () => cloud.close() };
}

/** @param port - of a proxy before the server */
export async function cloudPlaceIn(cloud: RunningCloud, port?: number): Promise<CloudPlaceOfTest> {
  const place = parseObjectUrl(cloud.newUrl(), cloud.options(port));
  const { endpoint, region, forcePathStyle, connectionString, credentialsPath } = place.options;
  const client = await connectTo(parseObjectUrl(place.url, cloud.options()));
  onTestFinished(() => client.close());
  return placeOf(client, {
    provider: cloud.name,
    bucket: place.bucket,
    project: `${place.prefix}${randomId()}`,
    ...{ endpoint, region, forcePathStyle, connectionString, credentialsPath },
    attempts: 3,
  });
}
