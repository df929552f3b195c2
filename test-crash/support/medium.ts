import { execFile } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where the runs of a crash test lie, and what happens to it when a process has died. */
export interface Medium {
  readonly root: string;
  /** Everything so far survives a cut. */
  settle(): Promise<void>;
  /** The power fails, where that is what is tested, and comes back. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

const IN_MEMORY = "/dev/shm";
/** Containers often have 64 MiB there. */
const LEAST_MEMORY_BYTES = 2 ** 30;

/** A folder for scratch: in memory where there is such a place, since nothing but the process dies there. */
export function scratchFolder(name: string): Promise<string> {
  return mkdtemp(join(hasRoomInMemory() ? IN_MEMORY : tmpdir(), `varve-${name}-`));
}

function hasRoomInMemory(): boolean {
  if (!existsSync(IN_MEMORY)) return false;
  const { bavail, bsize } = statfsSync(IN_MEMORY);
  return bavail * bsize >= LEAST_MEMORY_BYTES;
}

/** What the operating system holds survives the death of a process. */
export async function openPlainMedium(): Promise<Medium> {
  const root = await scratchFolder("kills");
  return {
    root,
    settle: async () => undefined,
    cut: async () => undefined,
    close: () => rm(root, { recursive: true, force: true }),
  };
}

export type DiskKind = "ext4" | "xfs";

/** XFS takes nothing below 300 MB. Sparse: only what is written is stored. */
const IMAGE_BYTES: Readonly<Record<DiskKind, string>> = { ext4: "64M", xfs: "320M" };

/** The request of both file systems that ends them at once; 2 stands for "without writing the journal first". */
const SHUT_DOWN = 'my $how = pack("L", 2); sysopen F, $ARGV[0], 0 or die $!; ioctl(F, 0x8004587D, $how) or die $!';

/**
 * A file system of its own on a loop device. A cut ends it by force, so that whatever was not made durable is lost, and
 * mounts it again, which replays the journal. Needs root.
 */
export async function openDisk(kind: DiskKind): Promise<Medium> {
  const folder = await scratchFolder(kind);
  const [image, root] = [join(folder, "image"), join(folder, "disk")];
  const mount = (): Promise<unknown> => run("mount", ["-o", "loop", image, root]);
  try {
    await mkdir(root);
    await run("truncate", ["-s", IMAGE_BYTES[kind], image]);
    await run(`mkfs.${kind}`, ["-q", image]);
    await mount();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    root,
    settle: async () => void (await run("sync", ["-f", root])),
    cut: async () => {
      await run("perl", ["-e", SHUT_DOWN, root]);
      await run("umount", [root]);
      await mount();
    },
    close: async () => {
      await run("umount", [root]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
