import * as errors from "../errors.ts";

/** An error as it crosses from one thread to another: structured cloning would lose its class and fields. */
export interface TransferredError {
  readonly className: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause: TransferredError | undefined;
}

export function toTransfer(error: unknown): TransferredError {
  if (!(error instanceof Error)) {
    return { className: "Error", message: String(error), stack: undefined, fields: {}, cause: undefined };
  }
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (key !== "cause" && key !== "name" && isPlain(value)) fields[key] = value;
  }
  return {
    className: error.constructor.name,
    message: error.message,
    stack: error.stack,
    fields,
    cause: error.cause === undefined ? undefined : toTransfer(error.cause),
  };
}

function isPlain(value: unknown): boolean {
  return value === null || typeof value !== "object"
    ? typeof value !== "function" && typeof value !== "symbol"
    : Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number");
}

/** Rebuilds an error of the same class, with the same fields and the stack of the thread that it comes from. */
export function fromTransfer(transferred: TransferredError): Error {
  const known: unknown = (errors as Record<string, unknown>)[transferred.className];
  const prototype: unknown = typeof known === "function" ? known.prototype : undefined;
  const error = new Error(transferred.message);
  if (prototype instanceof Error) Object.setPrototypeOf(error, prototype);
  Object.assign(error, transferred.fields, { name: transferred.className });
  if (transferred.stack !== undefined) error.stack = transferred.stack;
  if (transferred.cause !== undefined) {
    Object.defineProperty(error, "cause", { value: fromTransfer(transferred.cause), enumerable: false });
  }
  return error;
}
