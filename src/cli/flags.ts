import { InvalidArgumentError } from "commander";

/** For options that take a number >= 1. */
export function parseCount(text: string): number {
  return parseInteger(text, 1);
}

/** For options that take a number >= 0. */
export function parseIndex(text: string): number {
  return parseInteger(text, 0);
}

/** For seeds. */
export function parseAnyInteger(text: string): number {
  return parseInteger(text, Number.MIN_SAFE_INTEGER);
}

/** For options that take a port; 0 is any that is free. */
export function parsePort(text: string): number {
  const port = parseInteger(text, 0);
  if (port <= 65_535) return port;
  throw new InvalidArgumentError(`Expected a port from 0 to 65535, got "${text}".`);
}

function parseInteger(text: string, smallest: number): number {
  const value = Number(text);
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(value) && value >= smallest) return value;
  const range = smallest === Number.MIN_SAFE_INTEGER ? "an integer" : `an integer of ${smallest} or more`;
  throw new InvalidArgumentError(`Expected ${range}, got "${text}".`);
}
