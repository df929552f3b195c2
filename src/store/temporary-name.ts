import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { type IdSource, randomId } from "../base/ids.ts";
import { fileErrorCode } from "./file-errors.ts";
import { TEMPORARY_PREFIX } from "./object-name.ts";

/** Age from which an unfinished file is given up whoever made it. */
const ABANDONED_AFTER_MS: number = 24 * 60 * 60 * 1000;

/**
 * Names of unfinished files: `.tmp-<scope>-<pid>-<id>`, so that the next writer can tell which are dead.
 *
 * The scope stands for the machine and its process namespace: within it a process id means one process. A file of
 * our own scope is dead when its process is; of any other scope, when it is a day old. A wrong answer loses nothing:
 * a writer whose file is removed gets ENOENT when it links it, rejects the put as retryable, and writes a new one.
 */
export interface TemporaryNames {
  next(): string;
  isAbandoned(fileName: string, ageMs: number): boolean;
  /** An unfinished file of another machine or process namespace: whether its process lives cannot be told here. */
  isForeign(fileName: string): boolean;
}

const OWNER = /^([0-9a-f]+)-([0-9]+)-/;

/** Tells whether Varve makes such names; others may begin like them. */
export function isTemporaryName(fileName: string): boolean {
  return fileName.startsWith(TEMPORARY_PREFIX) && OWNER.test(fileName.slice(TEMPORARY_PREFIX.length));
}

export interface TemporaryNamesOptions {
  readonly scope?: string | undefined;
  readonly processId?: number | undefined;
  readonly isAlive?: ((processId: number) => boolean) | undefined;
  readonly createId?: IdSource | undefined;
}

export function createTemporaryNames(options: TemporaryNamesOptions = {}): TemporaryNames {
  const scope = options.scope ?? processScope();
  const processId = options.processId ?? process.pid;
  const isAlive = options.isAlive ?? isProcessAlive;
  const createId = options.createId ?? randomId;
  const ownerOf = (fileName: string): RegExpExecArray | null => OWNER.exec(fileName.slice(TEMPORARY_PREFIX.length));
  return {
    next: () => `${TEMPORARY_PREFIX}${scope}-${processId}-${createId()}`,
    isAbandoned(fileName, ageMs) {
      if (!fileName.startsWith(TEMPORARY_PREFIX)) return false;
      if (ageMs > ABANDONED_AFTER_MS) return true;
      const owner = ownerOf(fileName);
      return owner !== null && owner[1] === scope && !isAlive(Number(owner[2]));
    },
    isForeign: (fileName) => isTemporaryName(fileName) && ownerOf(fileName)?.[1] !== scope,
  };
}

/** Eight hexadecimal digits for the machine and process namespace that process ids of this process belong to. */
function processScope(): string {
  return createHash("sha256").update(`${hostname()}\n${processNamespace()}`).digest("hex").slice(0, 8);
}

function processNamespace(): string {
  try {
    // Two containers may share a host name and a volume, and each have a process 7.
    return readlinkSync("/proc/self/ns/pid");
  } catch (error) {
    if (fileErrorCode(error) === undefined) throw error;
    return "";
  }
}

function isProcessAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return fileErrorCode(error) !== "ESRCH";
  }
}
