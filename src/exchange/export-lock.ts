import { readFile, rm, writeFile } from "node:fs/promises";
import { ConfigError } from "../errors.ts";

/**
 * Holds `<partial>.lock` while an export is written: two to one name would write into one another's file. That of a
 * process that has died is taken over.
 *
 * @throws ConfigError while a living process of this machine holds it
 */
export async function withExportLock<T>(partial: string, work: () => Promise<T>): Promise<T> {
  const lock = `${partial}.lock`;
  while (!(await take(lock))) {
    const holder = Number(await readFile(lock, "utf8").catch(() => ""));
    if (isAlive(holder)) {
      throw new ConfigError(`Another export writes ${partial} (process ${holder})`, {
        hint: `Wait for it, or give another name. If no export runs in that process, remove ${lock}.`,
      });
    }
    await rm(lock, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // There is one, of another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
