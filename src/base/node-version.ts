/**
 * Says what is wrong with the Node.js that runs this, or null where nothing is.
 *
 * Besides the version, zstd itself is asked for: Node 23.0 to 23.7 come after 22.15 and lack it.
 */
export function describeWrongNode(version: string, hasZstd: boolean): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOldEnough = major > 22 || (major === 22 && minor >= 15);
  if (isOldEnough && hasZstd) return null;
  return [
    `varve needs Node.js 22.15 or newer (not 23.0 to 23.7), got ${version}.`,
    "In a clone of varve, use `npm start` and the other npm scripts: they bring Node 24 with them",
    "(`npm ci` installs it, unless it ran with --ignore-scripts).",
    "Elsewhere, install Node 24, for example with `nvm install 24`.",
  ].join("\n");
}
