import type { ManifestBuffer, PackRef } from "../../manifest/manifest.ts";
import { LogCoverage } from "./coverage.ts";
import type { PackRecord } from "./pack-record.ts";

/**
 * The coverage of every log, by the buffer's name in the run, its incarnation (rule 4) and the log. What a fresh
 * buffer, or a branch, holds under the same row numbers is never taken for saved.
 */
export class CoverageBook {
  readonly #logs = new Map<string, LogCoverage>();

  of(buffer: string, incarnation: string, log: string): LogCoverage {
    const key = `${buffer} ${incarnation} ${log}`;
    const known = this.#logs.get(key) ?? new LogCoverage();
    this.#logs.set(key, known);
    return known;
  }

  /** A pack was given up: what it holds is not saved (rule 6). */
  dropPack(pack: PackRecord): void {
    for (const log of this.#logs.values()) log.dropPack(pack);
  }

  /** Packs of these names are gone: what they held is not saved. */
  dropNamed(names: ReadonlySet<string>): void {
    for (const record of this.packs()) if (names.has(record.name)) this.dropPack(record);
  }

  /** A buffer was cleared or restored, and no save of what it held is left: its packs need not be kept for it. */
  forget(incarnation: string): void {
    for (const key of this.#logs.keys()) if (key.split(" ")[1] === incarnation) this.#logs.delete(key);
  }

  /** Every pack that holds rows of any buffer. */
  packs(): PackRecord[] {
    return [...this.#logs.values()].flatMap((log) => log.packs());
  }

  /** Starts the coverage of a restored buffer from the restored manifest, clipped to its bounds. */
  adopt(
    name: string,
    incarnation: string,
    buffer: ManifestBuffer,
    packs: readonly PackRef[],
    recordOf: (pack: number) => PackRecord,
  ): void {
    for (const log of buffer.logs) {
      const coverage = this.of(name, incarnation, log.name);
      for (const [index, pack] of packs.entries()) {
        for (const { log: covered, from, to } of pack.covers) {
          if (covered !== `${name}/${log.name}`) continue;
          coverage.assign(Math.max(from, log.tail), Math.min(to, log.head), recordOf(index));
        }
      }
    }
  }
}
