import { describe, expect, it } from "vitest";
import * as api from "../../src/index.ts";
import * as testing from "../../src/testing/index.ts";

const names = (module: object) => Object.keys(module).sort();

describe("public API", () => {
  it("exports these values from varve, beside the errors", () => {
    expect(names(api).filter((name) => !/^[A-Z]\w*Error$/.test(name))).toMatchInlineSnapshot(`
      [
        "Checkpointer",
        "CloudSync",
        "ReplayBuffer",
        "allocateShared",
        "copyRun",
        "createRandom",
        "deleteRun",
        "diagnoseStore",
        "formatUploadStatus",
        "frozen",
        "isVarveError",
        "openStore",
        "stateHash",
      ]
    `);
  });

  it("exports these values from varve/testing", () => {
    expect(names(testing)).toMatchInlineSnapshot(`
      [
        "CrashFileSystem",
        "FaultPlan",
        "crashStates",
        "describeFileCall",
        "failFileCalls",
        "fileError",
        "interceptFileSystem",
        "recordFileCalls",
        "storeContract",
        "withFaults",
        "withRecording",
      ]
    `);
  });

  it("a buffer and a checkpointer have the documented members", () => {
    const members = (prototype: object): string[] =>
      prototype === Object.prototype
        ? []
        : [...Object.getOwnPropertyNames(prototype), ...members(Object.getPrototypeOf(prototype) as object)];
    const membersOf = (type: { prototype: object }) =>
      [...new Set(members(type.prototype))].filter((name) => name !== "constructor").sort();
    expect(membersOf(api.ReplayBuffer)).toMatchInlineSnapshot(`
      [
        "add",
        "addBatch",
        "attach",
        "beginRestore",
        "clear",
        "describe",
        "fields",
        "finishRestore",
        "isFull",
        "meta",
        "readLeaves",
        "readRows",
        "rowRange",
        "sample",
        "save",
        "size",
        "stats",
        "totalAdded",
        "updatePriorities",
      ]
    `);
    expect(membersOf(api.Checkpointer)).toMatchInlineSnapshot(`
      [
        "close",
        "describe",
        "latestStep",
        "list",
        "off",
        "on",
        "openCheckpoint",
        "pin",
        "prune",
        "reachedPreemption",
        "restore",
        "save",
        "status",
        "sync",
        "unpin",
        "verify",
        "waitUntilFinished",
      ]
    `);
    expect(membersOf(api.CloudSync)).toMatchInlineSnapshot(`
      [
        "downloadCheckpoints",
        "downloadDirectory",
        "downloadFile",
        "fileExists",
        "pause",
        "project",
        "resume",
        "retryFailed",
        "saveAndUploadBuffer",
        "shutdown",
        "syncCheckpoints",
        "syncLogs",
        "uploadDirectory",
        "uploadFile",
        "uploadStatus",
        "url",
        "waitForUploads",
      ]
    `);
    expect(api.CloudSync.fromEnv).toBeTypeOf("function");
    expect(api.CloudSync.prototype[Symbol.asyncDispose]).toBeTypeOf("function");
    expect(api.ReplayBuffer.estimate).toBeTypeOf("function");
    expect(api.ReplayBuffer.load).toBeTypeOf("function");
    expect(api.Checkpointer.open).toBeTypeOf("function");
    expect(api.Checkpointer.prototype[Symbol.asyncDispose]).toBeTypeOf("function");
  });
});
