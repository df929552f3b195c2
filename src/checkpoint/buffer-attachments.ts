import type { Attachable, Attachment, BlockEvent, BufferSnapshot } from "../buffer/contract.ts";
import type { BufferInSave, ToSaver } from "./messages.ts";

export interface AttachmentHooks {
  readonly post: (message: ToSaver) => void;
  readonly maxPinnedBytes: number;
  /**
   * Blocks the training thread until something is done, or the saver is gone.
   *
   * @param onWaiting - called before, and again and again meanwhile
   */
  readonly wait: (isDone: () => boolean, onWaiting?: () => void) => void;
  /** False where rows are released only while the training thread yields: waiting for that would never end. */
  readonly canWaitForSaves: boolean;
  readonly isRunning: () => boolean;
  /** Called before a wait for memory, and again and again meanwhile: the place to tell the saver to give up. */
  readonly onPressure: (pinnedBytes: number) => void;
  /** Called once before each wait for memory. */
  readonly onWait?: ((pinnedBytes: number) => void) | undefined;
}

interface Attached {
  readonly id: number;
  readonly incarnation: string;
  readonly attachment: Attachment;
  lastNumber: number;
  lastSnapshot: number;
}

/** Which buffers a saver knows, on the training thread. A buffer is attached at the first save that names it. */
export class BufferAttachments {
  readonly #hooks: AttachmentHooks;
  /** Weakly: a buffer that the user drops must not live on here, nor its rows in the saver. */
  #attached = new WeakMap<Attachable, Attached>();
  readonly #living = new Map<number, WeakRef<Attached>>();
  readonly #dropped: FinalizationRegistry<number>;
  /** Of buffers that were cleared or restored since: held until the saver is done with them. */
  #outdated: Attached[] = [];
  #nextId = 1;

  constructor(hooks: AttachmentHooks) {
    this.#hooks = hooks;
    this.#dropped = new FinalizationRegistry((id) => {
      if (this.#living.delete(id)) hooks.post({ type: "detach", id });
    });
  }

  /** Cost: the number of logs; at the first save of a buffer also its number of blocks. */
  snapshot(storage: Attachable): { readonly id: number; readonly snapshot: BufferSnapshot } {
    const { incarnation } = storage.describe();
    let attached = this.#attached.get(storage);
    if (attached !== undefined && attached.incarnation !== incarnation) {
      this.#outdated.push(attached);
      this.#living.delete(attached.id);
      this.#hooks.post({ type: "detach", id: attached.id });
      attached = undefined;
    }
    this.#dropOutdated();
    attached ??= this.#attach(storage);
    const snapshot = attached.attachment.snapshot();
    attached.lastNumber = snapshot.number;
    attached.lastSnapshot = snapshot.number;
    return { id: attached.id, snapshot };
  }

  /** Lets go of a snapshot that no save will name. */
  unneeded(id: number, number: number): void {
    this.#hooks.post({ type: "unneeded", id, number });
  }

  /** Gives up every hold: the saver is gone. */
  detachAll(): void {
    const living = [...this.#living.values()].flatMap((attached) => attached.deref() ?? []);
    for (const { attachment } of [...living, ...this.#outdated]) attachment.detach();
    this.#living.clear();
    this.#attached = new WeakMap();
    this.#outdated = [];
  }

  #attach(storage: Attachable): Attached {
    const id = this.#nextId++;
    const description = storage.describe();
    const { post, maxPinnedBytes } = this.#hooks;
    // The saver must know the buffer before its blocks, but the shared counters come with the attachment.
    const blocks: BlockEvent[] = [];
    let deliver = (event: BlockEvent): void => void blocks.push(event);
    const attachment = storage.attach({
      sink: (event) => {
        if (event.kind === "full") attached.lastNumber = event.number;
        deliver(event);
      },
      maxPinnedBytes,
      onPressure: (pinnedBytes) => this.#waitForRelease(attached, pinnedBytes),
      onCaptureWait: () => this.#waitForCapture(attached),
    });
    const { released, captured } = attachment;
    const attached: Attached = { id, incarnation: description.incarnation, attachment, lastNumber: 0, lastSnapshot: 0 };
    post({ type: "attach", id, description, released, captured, blocks });
    deliver = (event) => post({ type: "block", id, event });
    this.#attached.set(storage, attached);
    this.#living.set(id, new WeakRef(attached));
    this.#dropped.register(storage, id);
    return attached;
  }

  /** A saver that is gone lets go of everything: nobody would ever release it. */
  #waitForRelease({ attachment, lastNumber }: Attached, pinnedBytes: number): void {
    // Once more for what the saver took up after it was asked.
    const ask = (): void => this.#hooks.onPressure(pinnedBytes);
    if (!this.#hooks.canWaitForSaves) {
      ask();
      return;
    }
    const before = Atomics.load(attachment.released, 0);
    const isDone = (): boolean => {
      const released = Atomics.load(attachment.released, 0);
      return released !== before || released >= lastNumber;
    };
    if (!isDone()) this.#hooks.onWait?.(pinnedBytes);
    this.#hooks.wait(isDone, ask);
    if (!this.#hooks.isRunning()) attachment.detach();
  }

  /** Priorities are captured as soon as the saver runs. One that is dead is noticed by its heartbeat. */
  #waitForCapture({ attachment, lastSnapshot }: Attached): void {
    this.#hooks.wait(() => Atomics.load(attachment.captured, 0) >= lastSnapshot);
    if (!this.#hooks.isRunning()) attachment.detach();
  }

  #dropOutdated(): void {
    this.#outdated = this.#outdated.filter(({ attachment, lastNumber }) => {
      const isDone = Atomics.load(attachment.released, 0) >= lastNumber;
      if (isDone) attachment.detach();
      return !isDone;
    });
  }
}

/** A snapshot of every buffer, or of none: one that cannot be taken gives the others back. */
export function takeSnapshots(
  attachments: BufferAttachments,
  buffers: readonly (readonly [name: string, buffer: Attachable])[],
): BufferInSave[] {
  const taken: BufferInSave[] = [];
  try {
    for (const [name, buffer] of buffers) taken.push({ name, ...attachments.snapshot(buffer) });
  } catch (error) {
    for (const { id, snapshot } of taken) attachments.unneeded(id, snapshot.number);
    throw error;
  }
  return taken;
}
