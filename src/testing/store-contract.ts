import type { ContractSettings, ContractSubject } from "./contract-case.ts";
import { failureCases } from "./contract-failures.ts";
import { readCases } from "./contract-reads.ts";
import { wireCases } from "./contract-wire.ts";
import { writeCases } from "./contract-writes.ts";

export type CreateSubject = () => Promise<ContractSubject>;

/** The two functions that vitest, node:test, mocha and jest have in common. */
export interface ContractRunner {
  // oxlint-disable-next-line no-explicit-any -- each runner has its own return type
  readonly describe: (title: string, body: () => void) => any;
  // oxlint-disable-next-line no-explicit-any -- each runner has its own return type
  readonly it: (title: string, body: () => Promise<void>) => any;
}

/**
 * Defines the tests that every store has to pass to be used with Varve, in the test runner that is handed in.
 *
 * ```ts
 * import { describe, it } from "vitest";
 * storeContract("my store", async () => ({ store: await createMyStore() }), { describe, it });
 * ```
 *
 * @param createSubject - called once per test; makes an empty store
 */
export function storeContract(
  title: string,
  createSubject: CreateSubject,
  runner: ContractRunner,
  options: Partial<ContractSettings> = {},
): void {
  const settings: ContractSettings = {
    traits: options.traits ?? { conditionalCreate: true, stronglyConsistent: true },
    bigObjectBytes: options.bigObjectBytes ?? 20 * 1024 * 1024,
    objectCount: options.objectCount ?? 250,
  };
  const cases = [...writeCases, ...readCases, ...failureCases, ...wireCases];
  runner.describe(`store contract: ${title}`, () => {
    for (const { title: caseTitle, needs, run } of cases) {
      if (needs !== undefined && !settings.traits[needs]) continue;
      runner.it(caseTitle, async () => {
        const subject = await createSubject();
        try {
          await run(subject, settings);
        } finally {
          await subject.dispose?.();
        }
      });
    }
  });
}
