import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "vitest";
import { createLocalStore } from "../../src/store/local.ts";
import { createMemoryStore } from "../../src/store/memory.ts";
import { nodeFileSystem } from "../../src/store/node-file-system.ts";
import { CrashFileSystem } from "../../src/testing/crash-file-system.ts";
import { withFaults } from "../../src/testing/fault-store.ts";
import { fileError, interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import { withRecording } from "../../src/testing/recording-store.ts";
import { storeContract } from "../../src/testing/store-contract.ts";

const runner = { describe, it };

storeContract("memory", async () => ({ store: createMemoryStore() }), runner);

storeContract(
  "local",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "varve-contract-"));
    const path = join(folder, "runs", "run-1");
    const unreadable = new Set<string>();
    const fileSystem = interceptFileSystem(nodeFileSystem, async (call, proceed) => {
      if (call.operation === "open" && unreadable.has(call.path)) throw fileError("EACCES", "open", call.path);
      return proceed();
    });
    return {
      store: createLocalStore(path, { fileSystem }),
      second: createLocalStore(path),
      makeUnreadable: async (name) => void unreadable.add(join(path, name)),
      dispose: () => rm(folder, { recursive: true, force: true }),
    };
  },
  runner,
);

// The tools of varve/testing have to be stores themselves, or tests built on them prove nothing.
storeContract(
  "local on the crash file system",
  async () => ({ store: createLocalStore("/run", { fileSystem: new CrashFileSystem() }) }),
  runner,
  { bigObjectBytes: 1024 * 1024, objectCount: 20 },
);

storeContract(
  "memory with faults and recording, none planned",
  async () => ({ store: withRecording(withFaults(createMemoryStore())) }),
  runner,
  { bigObjectBytes: 1024 * 1024 },
);
