import { inspect } from "node:util";
import { isVarveError } from "../index.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** Tells what failed and what to do, on standard error; the stack only with VARVE_DEBUG=1 or --log-level debug. */
export function reportError(output: ConsoleOutput, error: unknown): ExitCode {
  const facts = isVarveError(error) ? { code: error.code, hint: error.hint } : {};
  output.about(facts, () => output.error(`varve: ${describeError(error)}`));
  if (process.env["VARVE_DEBUG"] === "1" || output.isDebugging) output.error(inspect(error, { depth: 4 }));
  else if (!isVarveError(error)) output.error("  VARVE_DEBUG=1 shows where it happened.");
  return isVarveError(error, "VARVE_CONFIG", "VARVE_INVALID_ARGUMENT") ? EXIT.usage : EXIT.failure;
}

/** The message, and the hint on a line of its own. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint = isVarveError(error) ? error.hint : undefined;
  return hint === undefined ? error.message : `${error.message}\n  ${hint}`;
}
