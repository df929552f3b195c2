import { describe, expect, it } from "vitest";
import { findInconsistency } from "../../src/manifest/cross-check.ts";
import type { Manifest } from "../../src/manifest/manifest.ts";
import { buffer, manifestOf, sha } from "./manifests.ts";

const [first, second, third] = manifestOf().packs;
const [tensor] = manifestOf().tensors;
const [log] = buffer.logs;
if (first === undefined || second === undefined || third === undefined || tensor === undefined || log === undefined) {
  throw new Error("the manifest of these tests has three packs, a tensor and a log");
}

const LOG = "default/transitions";
const covering = (...ranges: [from: number, to: number][]): Manifest["packs"] => [
  { ...first, covers: ranges.map(([from, to]) => ({ log: LOG, from, to })) },
  second,
  third,
];
const withBuffer = (changes: object): Partial<Manifest> => ({ buffers: { default: { ...buffer, ...changes } } });

describe("what does not fit together in a manifest is named", () => {
  const name = first.name;
  const cases: readonly (readonly [said: string, changes: Partial<Manifest>])[] = [
    // A pack without rows: that it is there twice shows in nothing else.
    [`pack ${third.name} is named twice`, { packs: [first, second, third, third] }],
    [`pack ${name} covers rows 600..0`, { packs: covering([600, 0]) }],
    [
      `pack ${name} covers the unknown log default/other`,
      { packs: [{ ...first, covers: [...first.covers, { log: "default/other", from: 0, to: 1 }] }, second, third] },
    ],
    ["tensor 1 is in pack 3, there are 3", { tensors: [tensor, { ...tensor, pack: 3 }] }],
    ["tensor 0 is in pack 4, there are 3", { tensors: [{ ...tensor, pack: 4 }] }],
    ["the state names a tensor that is not among the 2", { state: [{ a: { $tensor: 2 } }] }],
    ["buffer default: it has 2 priority pages, expected at most 1", withBuffer({ priorityPages: [1, 1] })],
    ["buffer default: a priority page is tensor 2, there are 2", withBuffer({ priorityPages: [2] })],
    ["buffer default: log transitions occurs twice", withBuffer({ logs: [log, log] })],
    ["buffer default: log transitions has bounds 1100..100", withBuffer({ logs: [{ ...log, tail: 1100, head: 100 }] })],
    [
      "buffer default: log transitions has a column twice",
      withBuffer({ logs: [{ ...log, columns: [...log.columns, ...log.columns] }] }),
    ],
    ["buffer default: log transitions: rows 100..101 are in no pack", { packs: covering([101, 600]) }],
    ["buffer default: log transitions: rows 599..600 are in no pack", { packs: covering([0, 599]) }],
    ["buffer default: log transitions: rows 600..601 are in more than one pack", { packs: covering([0, 601]) }],
    [
      "buffer default: log transitions: rows 200..300 are in more than one pack",
      { packs: covering([0, 600], [200, 300]) },
    ],
    [
      "its parent checkpoints/00000002-000000000008.json is not older",
      { parent: { name: "checkpoints/00000002-000000000008.json", hash: sha("a") } },
    ],
  ];
  for (const [said, changes] of cases) {
    it(`says: ${said}`, () => {
      expect(findInconsistency(manifestOf(changes))).toBe(said);
    });
  }

  it("and what does, is taken: the first tensor in the last pack, and packs in any order", () => {
    expect(findInconsistency(manifestOf())).toBeNull();
    expect(findInconsistency(manifestOf({ packs: [second, first, third] }))).toBeNull();
    expect(findInconsistency(manifestOf({ packs: covering([300, 600], [0, 300]) }))).toBeNull();
  });
});
