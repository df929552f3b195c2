import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  type Pipeline,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import type { IdleAgents } from "../idle-agent.ts";
import type { ObjectPlace } from "../object-url.ts";
import { type AzureAccount, findAccount } from "./azure-account.ts";

type Credential = NonNullable<Parameters<typeof newPipeline>[0]>;

/** The SDK's client of a container, with its own retries off and with our connections. Sends nothing. */
export async function openContainer(place: ObjectPlace, agents: IdleAgents): Promise<ContainerClient> {
  const account = findAccount(place);
  const query = account.access.kind === "signature" ? `?${account.access.query}` : "";
  const url = `${account.serviceUrl}/${place.bucket}${query}`;
  return new ContainerClient(url, pipelineOf(await credentialOf(account), url, agents));
}

async function credentialOf({ access }: AzureAccount): Promise<Credential> {
  if (access.kind === "key") return new StorageSharedKeyCredential(access.account, access.key);
  if (access.kind === "signature") return new AnonymousCredential();
  const { DefaultAzureCredential } = await import("@azure/identity");
  return new DefaultAzureCredential();
}

function pipelineOf(credential: Credential, url: string, agents: IdleAgents): Pipeline {
  const options = {
    retryOptions: { maxTries: 1 },
    // Not among the declared options, but handed on to the HTTP client as everywhere else in the Azure SDKs.
    agent: url.startsWith("https:") ? agents.https : agents.http,
  };
  return newPipeline(credential, options);
}
