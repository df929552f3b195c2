import type { Random } from "../../../src/base/random.ts";
import { assertObjectName } from "../../../src/store/object-name.ts";
import { parseObjectUrl } from "../../../src/store/object-url.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { assertRefusal, type FuzzTarget, type Verdict } from "../fuzz.ts";
import { chance, hostileString, mutateText, pick } from "../mutations.ts";

/** Stands where a person might put a password. Secret keys of AWS do have slashes and plus signs in them. */
const SECRET = "hunter2/SEC+RET";
const isShown = (text: string): boolean => /hunter2|SEC\+RET|SEC%2BRET/.test(text);
/** Still where a person might put one, whatever else was changed: before an `@`, or in the query. */
const isSecretive = (url: string): boolean => /:\/\/[^/@]*:.*hunter2\/SEC\+RET.*@|[?#].*hunter2\/SEC\+RET/s.test(url);

const SOUND: readonly string[] = [
  ...["s3://bucket/prefix", "gs://my-bucket/runs/pendulum-001", "az://account/container/prefix/more", "s3://bucket"],
  ...["s3://bucket/p?endpoint=http://127.0.0.1:9000&forcePathStyle=true&region=eu-west-1", "az://account/container"],
  ...["gs://bucket/p?exclusive", "s3://bucket/p/?region=a", "file:///tmp/run", "memory://name", "./runs/a", "C:\\runs"],
];
const SECRETIVE: readonly string[] = [
  ...[
    `s3://key:${SECRET}@bucket/prefix`,
    `gs://key:${SECRET}@bucket/prefix`,
    `az://account:${SECRET}@container/prefix`,
  ],
  ...[`s3://bucket/prefix?endpoint=http://user:${SECRET}@host`, `s3://bucket/prefix?secret=${SECRET}`],
  ...[`az://account/container/p?sv=2024&sig=${SECRET}`, `file://user:${SECRET}@host/run`, `memory://a:${SECRET}@b`],
  ...[`ftp://user:${SECRET}@host/run`, `s3://bucket/prefix#${SECRET}`, `http://user:${SECRET}@127.0.0.1:9000/bucket`],
];
const SCHEMES = ["s3", "gs", "az", "file", "memory", "S3", "ftp", "http", "", "constructor", "__proto__", "toString"];

function hostile(random: Random): string {
  const kind = random.int(10);
  if (kind < 5) return mutateText(pick(random, SOUND), random);
  if (kind < 7) return chance(random, 0.3) ? pick(random, SECRETIVE) : mutateText(pick(random, SECRETIVE), random, 1);
  if (kind < 9) {
    const parts = Array.from({ length: random.int(5) }, () =>
      chance(random, 0.5)
        ? hostileString(random)
        : pick(random, ["bucket", "account", "p", "a@b", "a:b", "%2e%2e", "?"]),
    );
    return `${pick(random, SCHEMES)}${pick(random, ["://", ":/", ":", "//", ":///"])}${parts.join("/")}`;
  }
  return hostileString(random);
}

/** No name that goes up, and nothing but what the provider takes as one. */
function assertPlace(url: string): void {
  const { bucket, account, prefix, url: shown } = parseObjectUrl(url);
  const isName = /^[a-z0-9][a-z0-9._-]*$/;
  const areSound = isName.test(bucket) && (account === null || isName.test(account));
  if (!areSound) throw new Error(`${JSON.stringify(bucket)} of ${JSON.stringify(account)} is no bucket`);
  const parts = prefix === "" ? [] : prefix.slice(0, -1).split("/");
  const isWalking = parts.some((part) => part === "" || part === "." || part === "..");
  if (isWalking || /[^A-Za-z0-9._=+@,/-]/.test(prefix)) throw new Error(`the prefix ${JSON.stringify(prefix)}`);
  if (/[?#]/.test(shown)) throw new Error(`what is shown has a query: ${shown}`);
  if (!parseObjectUrl(shown).url.startsWith(shown)) throw new Error("what is shown is no URL of the same place");
}

async function judge(url: string): Promise<Verdict> {
  const store = await openStore(url);
  const scheme = /^(s3|gs|az):\/\//.exec(url)?.[1];
  if (scheme !== undefined) assertPlace(url);
  else if (url.startsWith("memory://")) assertObjectName(url.slice("memory://".length));
  else if (!store.url.startsWith("file:///")) throw new Error(`${JSON.stringify(url)} opened ${store.url}`);
  // Of a folder, the secret would be part of its name.
  if (isSecretive(url) && !store.url.startsWith("file:") && isShown(store.url))
    throw new Error(`a secret is shown: ${store.url}`);
  return "accepted";
}

export const urlTarget: FuzzTarget = {
  name: "store URL",
  mostAllocatedBytes: 64 * 1024,
  async attempt(random, input) {
    const url = hostile(random);
    input(url);
    try {
      return await judge(url);
    } catch (error) {
      const verdict = assertRefusal(error, { codes: ["VARVE_INVALID_ARGUMENT", "VARVE_STORE"] });
      const texts = [error as Error, (error as Error).cause as Error | undefined].map((each) => `${each?.message}`);
      const hint = (error as { hint?: string }).hint ?? "";
      if (isSecretive(url) && [...texts, hint].some(isShown))
        throw new Error(`a secret is shown: ${(error as Error).message}`, { cause: error });
      return verdict;
    }
  },
};
