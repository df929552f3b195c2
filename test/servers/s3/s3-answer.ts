/** What the server says to one request. */
export interface S3Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number>> | undefined;
  readonly body?: Uint8Array | string | undefined;
}

export function xmlAnswer(
  root: string,
  content: string,
  headers: Readonly<Record<string, string | number>> = {},
): S3Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`;
  return { status: 200, headers: { "content-type": "application/xml", ...headers }, body };
}

/** The service's form of a failure: no namespace, and nothing but code and message is promised. */
export function errorAnswer(status: number, code: string, message: string = code): S3Answer {
  return {
    status,
    headers: { "content-type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${element("Code", code)}${element("Message", message)}</Error>`,
  };
}

export function element(name: string, value: string | number | boolean): string {
  return `<${name}>${escapeXml(String(value))}</${name}>`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The text of the first element of that name; null where there is none. */
export function textOf(xml: string, name: string): string | null {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  if (found === undefined) return null;
  return found
    .replace(/&#(x?)([0-9a-fA-F]+);/g, (_, hex, digits) => String.fromCharCode(parseInt(digits, hex === "" ? 10 : 16)))
    .replace(/&(quot|apos|lt|gt|amp);/g, (_, name) => NAMED[name] ?? "");
}

const NAMED: Readonly<Record<string, string>> = { quot: '"', apos: "'", lt: "<", gt: ">", amp: "&" };

/** Names in listings, where the client asked for `encoding-type=url`: a space is `+`, a `/` stays. */
export function encodeName(name: string, isEncoded: boolean): string {
  if (!isEncoded) return name;
  return encodeURIComponent(name).replace(/%20/g, "+").replace(/%2F/g, "/");
}
