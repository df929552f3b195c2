import { test } from "vitest";
import { trainThroughOutage } from "../test/cli/outage.ts";

test("a run whose server fails a fifth of all requests and is gone for 20 s loses nothing", async () => {
  await trainThroughOutage(20_000, 60);
}, 300_000);
