import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomId } from "../../../src/base/ids.ts";
import type { StoreErrorKind } from "../../../src/errors.ts";
import type { ChaosFault } from "../../servers/chaos-proxy.ts";
import { type Bench, benchFor, type CloudUnderTest, closeBench, openBench } from "./fault-bench.ts";
import type { Cell } from "./fault-cells.ts";
import { LISTED, type Operation, OURS, STORE_OPERATIONS } from "./fault-operations.ts";
import { pieceOperations } from "./fault-pieces.ts";
import { uploadThroughFaults } from "./fault-uploads.ts";

/** The request that fails, the one that follows, and what is read to know whose a create was. */
const MOST_REQUESTS = 4;

/** Every fault at every request of every operation of one provider; see the operations and the cells of each. */
export function faultMatrix(title: string, under: CloudUnderTest): void {
  describe(`single faults: ${title}`, () => {
    let bench: Bench;
    let faultCount = 0;
    beforeAll(async () => {
      bench = await openBench(under);
      for (const name of LISTED) await bench.inside.put(name, new Uint8Array([1]));
      // The trial of create-if-absent is over before the first fault.
      for (const { store } of [bench, bench.impatient]) await store.put(randomId(), OURS, { ifAbsent: true });
    });
    afterAll(() => closeBench(bench));

    it.each([...STORE_OPERATIONS, ...pieceOperations(under)])(
      "$name: nothing is lost, nothing wrong is taken for right, and nothing storms",
      async (operation) => {
        for (const cell of operation.cells)
          if (await runCell(benchFor(bench, cell.fault), operation, cell)) faultCount++;
      },
    );

    it.each([...STORE_OPERATIONS, ...pieceOperations(under)].filter(({ nth = 0 }) => nth === 0))(
      "$name: is given up after so many tries when the fault lasts",
      async (operation) => {
        for (const lasting of LASTING) await runLasting(bench, operation, lasting);
      },
    );

    it("a file in pieces arrives whole, whichever of its requests goes wrong", async () => {
      faultCount += await uploadThroughFaults(bench);
    });

    it("has run every one of them", () => {
      console.log(`${title}: ${faultCount} single faults`);
      expect(faultCount).toBeGreaterThanOrEqual(under.atLeast);
    });
  });
}

/** Without end; what a request is told of them in the end. */
const LASTING: readonly { readonly fault: ChaosFault; readonly kind: StoreErrorKind }[] = [
  { fault: { kind: "refused" }, kind: "network" },
  { fault: { kind: "status", status: 503 }, kind: "busy" },
];

/** Whatever an SDK or an adapter sent again by itself would multiply the requests. */
async function runLasting(
  bench: Bench,
  operation: Operation,
  { fault, kind }: (typeof LASTING)[number],
): Promise<void> {
  const { proxy, retry } = bench;
  await operation.prepare?.(bench);
  proxy.plan(null);
  proxy.always(() => fault);
  try {
    await expect(operation.run(bench)).rejects.toMatchObject({ code: "VARVE_STORE", kind, retryable: true });
    expect(proxy.seen).toHaveLength(retry.policy.attempts);
  } finally {
    proxy.always(null);
  }
}

/** @returns whether there was anything to break: a request without a body has no bit to flip */
async function runCell(bench: Bench, operation: Operation, cell: Cell): Promise<boolean> {
  const { proxy, pauses } = bench;
  const { fault } = cell;
  await operation.prepare?.(bench);
  const nth = operation.nth ?? 0;
  const metBefore = proxy.met;
  pauses.length = 0;
  proxy.plan(fault, nth);
  const outcome = await operation.run(bench).then(
    (value) => ({ value, error: null }),
    (error: unknown) => ({ value: null, error }),
  );
  const about = `${operation.name} with ${JSON.stringify(fault)}`;
  expect(proxy.isPending, `${about}: no request met it`).toBe(false);
  expect(proxy.seen.length, `${about}: a storm of requests`).toBeLessThanOrEqual(nth + MOST_REQUESTS + nth);
  try {
    await checkCell(bench, operation, cell, outcome);
  } catch (error) {
    throw new Error(`${about}: ${String(error)}`, { cause: error });
  }
  return proxy.met > metBefore;
}

async function checkCell(
  bench: Bench,
  operation: Operation,
  { fault, verdict }: Cell,
  { value, error }: { readonly value: unknown; readonly error: unknown },
): Promise<void> {
  const { pauses } = bench;
  if (verdict === "permission" || verdict === "refused") {
    const kind = verdict === "permission" ? { kind: "permission" } : {};
    expect(error).toMatchObject({ code: "VARVE_STORE", ...kind, retryable: false });
    expect(pauses, "was tried again").toEqual([]);
    await operation.checkRefused?.(bench);
    return;
  }
  if (error !== null && (verdict === "may be told" || operation.mayBeTold?.(fault) === true)) {
    expect(error).toMatchObject({ code: "VARVE_STORE" });
    await operation.checkTold?.(bench);
    return;
  }
  expect(error).toBeNull();
  await operation.check(bench, value);
  expect(Math.max(0, ...pauses), "came back too soon").toBeGreaterThanOrEqual(wishOf(fault));
}

/** How long the server asks one to stay away. */
function wishOf(fault: ChaosFault): number {
  return fault.kind === "status" ? (fault.retryAfter ?? 0) * 1000 : 0;
}
