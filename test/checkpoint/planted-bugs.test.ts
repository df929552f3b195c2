import { describe, expect, it } from "vitest";
import type { Attachment, AttachOptions, BufferDescription } from "../../src/buffer/contract.ts";
import { ReplayBuffer, type Store } from "../../src/index.ts";
import { interceptFileSystem } from "../../src/testing/intercept-file-system.ts";
import {
  brokenAfterCrashOfWriter,
  lostInPowerFailure,
  prioritiesThatChanged,
  rowsOfAnotherPast,
  rowsThatChanged,
} from "./checks.ts";
import { inlineBuffer, inlineFields, windowBuffer, windowFields } from "./support.ts";

/** Believes that savers are done with everything at once. */
class RecyclesTooEarly extends ReplayBuffer<typeof windowFields> {
  override attach(options: AttachOptions): Attachment {
    const attachment = super.attach(options);
    Atomics.store(attachment.released, 0, 2 ** 31 - 1);
    const released = new Int32Array(new SharedArrayBuffer(4));
    const { captured } = attachment;
    return { released, captured, snapshot: () => attachment.snapshot(), detach: () => attachment.detach() };
  }
}

/** Does not tell savers which pages were copied before they changed. */
class WithoutPages extends ReplayBuffer<typeof inlineFields> {
  override describe(): BufferDescription {
    const description = super.describe();
    const { prioritized } = description;
    if (prioritized === null) return description;
    const tags = new SharedArrayBuffer(prioritized.pages.tags.byteLength);
    return { ...description, prioritized: { ...prioritized, pages: { ...prioritized.pages, tags } } };
  }
}

/** Acknowledges packs at once, and writes them after the manifest that names them. */
function acknowledgesTooEarly(store: Store): Store {
  const late: (() => Promise<unknown>)[] = [];
  return {
    url: store.url,
    traits: store.traits,
    put: async (name, bytes, options) => {
      if (name.startsWith("packs/")) {
        const kept = bytes.slice();
        late.push(() => store.put(name, kept, options));
        return true;
      }
      const created = await store.put(name, bytes, options);
      for (const write of late.splice(0)) await write();
      return created;
    },
    get: (name, options) => store.get(name, options),
    head: (name, options) => store.head(name, options),
    list: (prefix, options) => store.list(prefix, options),
    delete: (name, options) => store.delete(name, options),
  };
}

const TINY = { capacity: 64, seed: 7, internal: { blockBytes: 256 } };

describe("rule 2: what a save reads is not recycled under it", () => {
  it("holds", async () => {
    expect(await rowsThatChanged(() => windowBuffer())).toEqual([]);
  });

  it("planted bug is caught: blocks are recycled too early", async () => {
    const create = (): RecyclesTooEarly => new RecyclesTooEarly({ ...TINY, fields: windowFields });
    expect(await rowsThatChanged(create)).not.toEqual([]);
  });
});

describe("priorities are those of the snapshot", () => {
  it("holds", async () => {
    expect(await prioritiesThatChanged(() => inlineBuffer({ prioritized: {} }))).toEqual([]);
  });

  it("planted bug is caught: priorities are not paged", async () => {
    const create = (): WithoutPages => new WithoutPages({ ...TINY, prioritized: {}, fields: inlineFields });
    expect(await prioritiesThatChanged(create)).not.toEqual([]);
  });
});

describe("rule 4: what counts as saved goes by incarnation", () => {
  it("holds", async () => {
    expect(await rowsOfAnotherPast({})).toEqual([]);
  });

  it("planted bug is caught: coverage is kept across a restore", async () => {
    expect(await rowsOfAnotherPast({ newId: () => "always-the-same" })).toEqual([
      "a branch holds rows of the abandoned future",
      "a new buffer holds rows of an older one",
    ]);
  });
});

describe("rule 6: a manifest names only packs that were acknowledged", () => {
  it("holds after every request at which the writer could have died", async () => {
    const { states, broken } = await brokenAfterCrashOfWriter((store) => store);
    expect(broken).toEqual([]);
    expect(states).toBeGreaterThan(50);
  });

  it("planted bug is caught: the manifest is committed before its packs are acknowledged", async () => {
    expect((await brokenAfterCrashOfWriter(acknowledgesTooEarly)).broken).not.toEqual([]);
  });
});

describe("rule 7: what was told to be durable survives a loss of power", () => {
  it("holds", async () => {
    const { states, lost } = await lostInPowerFailure((disk) => disk);
    expect(lost).toEqual([]);
    expect(states).toBeGreaterThan(300);
  });

  it("planted bug is caught: folders are not synced", async () => {
    const { lost } = await lostInPowerFailure((disk) =>
      interceptFileSystem(disk, async ({ operation }, proceed) => (operation === "syncFolder" ? undefined : proceed())),
    );
    expect(lost).toContain("checkpoint 1 is lost");
  });
});
