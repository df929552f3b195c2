import { once } from "node:events";

/** Reads one stream of server-sent events several times at once and says how many bytes came, as browsers would read. */

const [url = "", token = "", count = "1"] = process.argv.slice(2);

async function read(): Promise<number> {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok || answer.body === null) throw new Error(`${url} answered ${answer.status}`);
  let bytes = 0;
  let isTold = false;
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (!isTold) process.send?.("connected");
    isTold = true;
  }
  return bytes;
}

const reading = Array.from({ length: Number(count) }, read);
const bytes = await Promise.all(reading);
process.send?.(bytes.reduce((sum, each) => sum + each, 0));
await once(process, "disconnect");
