import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { CloudSync } from "../../../src/index.ts";
import { localPlace, openCloud } from "./places.ts";

const background = { background: true } as const;

it.each([2 ** 31, 1e12])("a wait of %d ms is as long as it says", async (timeoutMs) => {
  const { options, folder, names } = await localPlace();
  const path = join(folder, "file");
  await writeFile(path, "x".repeat(3_000_000));
  const cloud = openCloud(options);
  cloud.uploadFile(path, "waited", background);
  expect(await cloud.waitForUploads({ timeoutMs })).toMatchObject({ succeeded: 1, pending: 0 });
  const other = new CloudSync({ ...options, log: false });
  other.uploadFile(path, "shut-down", background);
  expect(await other.shutdown({ timeoutMs })).toMatchObject({ succeeded: 1, pending: 0 });
  expect(await names("")).toEqual(["shut-down", "waited"]);
});
