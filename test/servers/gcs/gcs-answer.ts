import type { IncomingHttpHeaders } from "node:http";

export interface GcsRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface GcsAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export function json(value: unknown): GcsAnswer {
  return { status: 200, headers: { "content-type": "application/json; charset=UTF-8" }, body: JSON.stringify(value) };
}

/** As the service words its errors. */
export function failure(status: number, reason: string, message: string): GcsAnswer {
  const error = { code: status, message, errors: [{ message, domain: "global", reason }] };
  return { ...json({ error }), status };
}

export const noBucket = (): GcsAnswer => failure(404, "notFound", "The specified bucket does not exist.");
export const noObject = (bucket: string, name: string): GcsAnswer =>
  failure(404, "notFound", `No such object: ${bucket}/${name}`);
export const conditionNotMet = (): GcsAnswer =>
  failure(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
