import { describe, expect, it } from "vitest";
import type { SectionEntry } from "../../src/codec/contract.ts";
import { parsePackIndex } from "../../src/codec/pack-schema.ts";
import { describeContent, MAX_SECTION_BYTES, sectionSize } from "../../src/codec/section-size.ts";
import { CorruptError, FormatVersionError } from "../../src/errors.ts";
import { packOf, sound } from "../fuzz/targets/forge-pack.ts";

const NAME = "packs/a";

// oxlint-disable-next-line no-explicit-any -- an index is changed in ways that its type forbids
type Tree = any;

/** Parses the index of a sound pack after a change, by which its sections may become shorter. */
function parsed(of: keyof typeof sound, change: (tree: Tree) => number | void = () => {}) {
  const { bytes, index } = packOf(sound[of]);
  const tree = JSON.parse(index);
  const sectionBytes = change(tree) ?? bytes.length;
  return parsePackIndex(Buffer.from(JSON.stringify(tree)), sectionBytes, NAME);
}

function refusal(of: keyof typeof sound, change: (tree: Tree) => number | void): Error {
  try {
    parsed(of, change);
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was not refused");
}

/** Offsets that follow from the lengths, as if nothing had been changed; returns the bytes of all sections. */
function layOut(tree: Tree): number {
  let offset = 8;
  for (const section of tree.sections) {
    section.offset = offset;
    offset += section.storedBytes;
  }
  return offset - 8;
}

const [observation, next, env] = ["observation", "nextObservation", "env"].map(
  (column) => (tree: Tree) => tree.sections.find((section: Tree) => section.content.column === column),
) as [(tree: Tree) => Tree, (tree: Tree) => Tree, (tree: Tree) => Tree];
const nextOf = (tree: Tree): Tree => next(tree).codecs.find(({ name }: Tree) => name === "varve.next-of");

describe("the index of a pack is refused, by name and reason, where", () => {
  it("its text is no JSON, keeping the parser's own error", () => {
    let error: Error | undefined;
    try {
      parsePackIndex(Buffer.from('{"requires":[],'), 0, NAME);
    } catch (thrown) {
      error = thrown as Error;
    }
    expect(error).toBeInstanceOf(CorruptError);
    expect(error?.message).toMatch(/packs\/a.*index: ./);
    expect(error?.cause).toBeInstanceOf(Error);
  });

  it("a feature is required that this version does not know", () => {
    const error = refusal("none", (tree) => tree.requires.push("time-travel"));
    expect(error).toBeInstanceOf(FormatVersionError);
    expect(error.message).toContain('it requires the unknown feature "time-travel"');
  });

  it("a value is of another kind, with its place", () => {
    const error = refusal("none", (tree) => {
      tree.sections[0].offset = "8";
    });
    expect(error).toBeInstanceOf(CorruptError);
    expect(error.message).toMatch(/index\.sections\.0\.offset: .*number/);
  });

  it("sections leave a gap, or end before or after the index begins", () => {
    const moved = refusal("none", (tree) => {
      tree.sections[0].offset = 9;
    });
    expect(moved.message).toContain("section 0 starts at 9, expected 8");
    const { bytes } = packOf(sound.none);
    const longer = refusal("none", (tree) => {
      tree.sections.at(-1).storedBytes += 1;
    });
    expect(longer.message).toContain(`sections end at ${bytes.length + 9}, expected ${bytes.length + 8}`);
  });

  it("a shape has another number of rows, or bytes, than the section declares", () => {
    const rows = refusal("none", (tree) => {
      tree.sections[0].content.to += 1;
    });
    expect(rows.message).toMatch(/rows 0\.\.25: its shape has 24 rows/);
    const raw = refusal("none", (tree) => {
      tree.sections[0].rawBytes += 1;
    });
    expect(raw.message).toMatch(/its shape makes 24 bytes, declared are 25/);
    const huge = refusal("none", (tree) => {
      tree.sections[0].shape = [24, 2 ** 40];
    });
    expect(huge.message).toContain(`one of at most ${MAX_SECTION_BYTES} bytes`);
  });

  it("a tensor has two axes", () => {
    const error = refusal("tensor", (tree) => {
      const [tensor] = tree.sections;
      tensor.shape = [1, tensor.shape[0]];
    });
    expect(error.message).toContain("its shape has 2 axes, expected 1");
  });

  it("more bytes are declared than its codecs could make of what is stored", () => {
    /** One section of so many bytes, stored in so few. */
    const declare = (storedBytes: number, rawBytes: number, isPlain: boolean) => (tree: Tree) => {
      const [section] = tree.sections;
      Object.assign(section, { shape: [rawBytes], rawBytes, storedBytes });
      section.content.to = rawBytes;
      if (isPlain) section.codecs = section.codecs.filter(({ name }: Tree) => name !== "zstd");
      return layOut(tree);
    };
    expect(parsed("none", declare(24, 24, true)).sections[0]?.rawBytes).toBe(24);
    expect(refusal("none", declare(24, 25, true)).message).toContain("24 bytes cannot decode to 25");
    // A block of zstd takes 4 bytes at least, and makes 128 KiB at most.
    expect(parsed("none", declare(4, 2 ** 17, false)).sections[0]?.rawBytes).toBe(2 ** 17);
    expect(refusal("none", declare(4, 2 ** 17 + 1, false)).message).toContain("4 bytes cannot decode to 131073");
  });

  it("the same rows of a column occur twice, in whatever order", () => {
    const twice = (swap: boolean) => (tree: Tree) => {
      const [section] = tree.sections;
      const half = { ...structuredClone(section), shape: [12], rawBytes: 12, storedBytes: 12 };
      const at = (from: number, to: number) => ({ ...half, content: { ...section.content, from, to } });
      const halves = [at(0, 12), at(11, 23)];
      tree.sections = swap ? halves.reverse() : halves;
      return layOut(tree);
    };
    for (const swap of [false, true]) {
      expect(refusal("none", twice(swap)).message, String(swap)).toMatch(/rows 11 and on occur twice/);
    }
    const apart = (tree: Tree) => {
      const sectionBytes = twice(true)(tree);
      tree.sections[0].content = { ...tree.sections[0].content, from: 12, to: 24 };
      return sectionBytes;
    };
    expect(parsed("none", apart).sections.map(({ content }) => "from" in content && content.from)).toEqual([12, 0]);
  });
});

describe("a section that is decoded from others", () => {
  it("is taken with its sources, in whatever order they lie", () => {
    expect(parsed("next-of").sections).toHaveLength(3);
    const reversed = (tree: Tree) => {
      tree.sections.reverse();
      layOut(tree);
    };
    expect(parsed("next-of", reversed).sections).toHaveLength(3);
  });

  const changes: Readonly<Record<string, (tree: Tree) => void>> = {
    "the name of its source is no text": (tree) => {
      nextOf(tree).configuration.observation = { observation: "observation" };
    },
    "its source is another column": (tree) => {
      nextOf(tree).configuration.observation = "reward";
    },
    "its source is itself": (tree) => {
      nextOf(tree).configuration.observation = "nextObservation";
    },
    "its source has another shape": (tree) => {
      Object.assign(observation(tree), { shape: [24, 1, 2] });
    },
    "its source has another dtype": (tree) => {
      Object.assign(observation(tree), { dtype: "uint32" });
    },
    "its source belongs to another log": (tree) => {
      observation(tree).content.log = "other/transitions";
    },
    "its source has other rows": (tree) => {
      Object.assign(observation(tree).content, { from: 1, to: 25 });
    },
    "the environments of its rows are missing": (tree) => {
      env(tree).content.column = "environment";
    },
    "the environments of its rows are of another dtype": (tree) => {
      Object.assign(env(tree), { dtype: "float16" in tree ? "float16" : "int16" });
    },
    "the environments of its rows have another shape": (tree) => {
      Object.assign(env(tree), { shape: [24, 1] });
    },
    "it holds a tensor": (tree) => {
      const section = next(tree);
      section.content = { kind: "tensor", sha256: "ab".repeat(32) };
      section.shape = [48];
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    it(`is refused where ${name}`, () => {
      const error = refusal("next-of", change);
      expect(error).toBeInstanceOf(CorruptError);
      expect(error.message).toMatch(
        /(nextObservation rows 0\.\.24|tensor abab.*): what it repeats is not in this pack/,
      );
    });
  }

  it("may be longer than its own bytes could decode to, as its source is not", () => {
    const index = parsed("next-of");
    const isNext = ({ content }: SectionEntry) => "column" in content && content.column === "nextObservation";
    const { storedBytes, rawBytes } = index.sections.find(isNext) as SectionEntry;
    expect(rawBytes).toBe(24 * 2 * 4);
    expect(storedBytes).toBeLessThan(rawBytes);
  });

  it("is not looked for among sections that repeat nothing", () => {
    const withManifest = (tree: Tree) => {
      tree.manifest = { a: 1 };
    };
    expect(parsed("tensor").sections).toHaveLength(1);
    expect("manifest" in parsed("tensor")).toBe(false);
    expect(parsed("none", withManifest).manifest).toEqual({ a: 1 });
  });
});

describe("the size of a section", () => {
  it("follows from its shape up to the largest, and no further", () => {
    expect(sectionSize({ dtype: "float32", shape: [3, 0, 5] })).toEqual({ rawBytes: 0, elementBytes: 4 });
    expect(sectionSize({ dtype: "uint8", shape: [MAX_SECTION_BYTES] }).rawBytes).toBe(MAX_SECTION_BYTES);
    for (const shape of [[MAX_SECTION_BYTES + 1], [-1], [1.5], [2, -3], [Number.NaN], [2 ** 53]]) {
      expect(() => sectionSize({ dtype: "uint8", shape }), shape.join(" × ")).toThrow(
        `one of at most ${MAX_SECTION_BYTES} bytes`,
      );
    }
    expect(() => sectionSize({ dtype: "uint8", shape: [7, -3] })).toThrow("7 × -3");
  });

  it("is told of what it holds in few words", () => {
    expect(describeContent({ kind: "tensor", sha256: "ab".repeat(32) })).toBe("tensor abababababab…");
    expect(describeContent({ kind: "rows", log: "a/transitions", column: "reward", from: 3, to: 9 })).toBe(
      "a/transitions reward rows 3..9",
    );
  });
});
