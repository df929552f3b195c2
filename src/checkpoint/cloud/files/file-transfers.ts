import { systemClock } from "../../../base/clock.ts";
import { nodeFileSystem } from "../../../store/node-file-system.ts";
import type { ObjectClient } from "../../../store/object-client.ts";
import { createTemporaryNames } from "../../../store/temporary-name.ts";
import type { FileTransfers } from "./contract.ts";
import { SpareMemory } from "./spare-memory.ts";

/** Over a bucket; what is not given is the machine's own, and there is no limit on bandwidth. */
export function createFileTransfers(
  client: ObjectClient,
  options: Partial<Omit<FileTransfers, "client">> & Pick<FileTransfers, "warn">,
): FileTransfers {
  return {
    files: nodeFileSystem,
    temporaryNames: createTemporaryNames(),
    clock: systemClock,
    memory: new SpareMemory(),
    pace: async () => {},
    begun: new Map(),
    sent: new Map(),
    ...options,
    client,
  };
}
