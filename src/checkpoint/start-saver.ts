import type { SaverCrashedError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { BlockedTime } from "./blocked-time.ts";
import { BufferAttachments } from "./buffer-attachments.ts";
import type { CheckedOptions } from "./checkpointer-options.ts";
import type { Saver } from "./hand-over.ts";
import type { FromSaver, WriterIdentity } from "./messages.ts";
import { SaverLink } from "./saver-link.ts";
import type { SharedStatus } from "./shared-status.ts";
import { StateArenas } from "./state-arena.ts";
import { StateRoom } from "./state-room.ts";
import { storeAccess } from "./store-port.ts";

/** How often training that waits for memory says so. */
const ASK_AGAIN_MS = 100;

export interface SaverOwner {
  readonly options: CheckedOptions;
  readonly store: Store;
  readonly local: Store | null;
  /** Of the saver that this one replaces. */
  readonly writer: WriterIdentity | null;
  readonly blocked: BlockedTime;
  readonly onMessage: (message: FromSaver) => void;
  readonly isAwaited: () => boolean;
  /** The process ends, and the saver with it. */
  readonly onExit: () => void;
  readonly onCrash: (link: SaverLink, error: SaverCrashedError) => void;
  readonly lastSequence: () => number;
  readonly warn: (message: string) => void;
}

/** Starts a saver's thread for a run, with what belongs to it on the training thread. */
export function startSaver(owner: SaverOwner, status: SharedStatus): Saver {
  const { options } = owner;
  const main = storeAccess(owner.store);
  const first = owner.local === null ? null : storeAccess(owner.local);
  const { readOnly, retention, concurrency, maxUploadBytesPerSecond, onBacklog, maxPinnedBytes } = options;
  const { retry, closeTimeoutMs, sendMissing } = options;
  const canWaitForSaves = main.port === null && (first?.port ?? null) === null;
  const link: SaverLink = new SaverLink(
    {
      store: main.access,
      local: first?.access ?? null,
      writer: owner.writer,
      ...{ readOnly, retention, concurrency, maxUploadBytesPerSecond, onBacklog, maxPinnedBytes },
      ...{ retry, closeTimeoutMs, sendMissing },
    },
    status,
    [main.port, first?.port].filter((port) => port !== null && port !== undefined),
    {
      onMessage: owner.onMessage,
      isAwaited: owner.isAwaited,
      canWaitForSaves,
      onExit: owner.onExit,
      onCrash: (error) => owner.onCrash(link, error),
    },
  );
  return {
    link,
    attachments: createAttachments(owner, link, canWaitForSaves),
    arenas: createArenas(owner, link, canWaitForSaves),
  };
}

function createAttachments(owner: SaverOwner, link: SaverLink, canWaitForSaves: boolean): BufferAttachments {
  const { options, blocked } = owner;
  const isWaiting = options.onMemoryPressure === "wait";
  return new BufferAttachments({
    post: (message) => link.post(message),
    maxPinnedBytes: options.maxPinnedBytes,
    wait: (isDone, onWaiting) =>
      blocked.waitForMemory(() => {
        do {
          onWaiting?.();
          link.waitUntil(isDone, onWaiting === undefined ? Number.POSITIVE_INFINITY : ASK_AGAIN_MS);
        } while (!isDone() && link.isRunning);
      }),
    canWaitForSaves,
    isRunning: () => link.isRunning,
    onPressure: (pinnedBytes) => {
      if (!isWaiting) link.status.abandonUpTo(owner.lastSequence(), pinnedBytes);
    },
    onWait: isWaiting ? tellsWaits(owner, link.status) : undefined,
  });
}

/** The 1st, 10th, 100th time: where training waits again and again, a warning for each would say nothing new. */
function tellsWaits({ options, warn }: SaverOwner, status: SharedStatus): (pinnedBytes: number) => void {
  let waits = 0;
  return (pinnedBytes) => {
    waits++;
    if (!Number.isInteger(Math.log10(waits))) return;
    const held = `saves that are not made yet hold ${pinnedBytes} bytes of replaced blocks`;
    const why = status.get("isDegraded") === 1 ? "the store is away" : "save less often, or raise it";
    const again = waits === 1 ? "" : ` (for the ${waits}th time)`;
    warn(`training waits for memory: ${held}, and maxPinnedBytes is ${options.maxPinnedBytes}; ${why}${again}`);
  };
}

function createArenas(owner: SaverOwner, link: SaverLink, canWait: boolean): StateArenas {
  const { options, blocked, warn } = owner;
  const { onBacklog, onMemoryPressure, maxPinnedBytes: maxBytes } = options;
  const room = new StateRoom({
    ...{ status: link.status, onBacklog, onMemoryPressure, maxBytes, canWait, warn },
    wait: (isDone, limitMs) => blocked.waitForMemory(() => link.waitUntil(isDone, limitMs)),
    isRunning: () => link.isRunning,
  });
  return new StateArenas({
    status: link.status,
    post: (message) => link.post(message),
    maxBytes,
    // The one under way and one that waits; with "coalesce", which lets go of that only when it hears of it, a newer one.
    alwaysAdmitted: onBacklog === "coalesce" ? 3 : 2,
    makeRoom: (budget, bytes) => room.make(budget, bytes),
  });
}
