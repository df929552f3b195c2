// The README shows how to add Varve to one's own loop; CI runs exactly those lines.

const MARKER = "<!-- loop: CI runs this block as it stands -->";

/** A test runs these as they stand. */
const CLOUD_MARKER = "<!-- cloudsync: a test runs this block as it stands -->";

export function readmeCloudSync(readme: string): string {
  return blockAfter(readme, CLOUD_MARKER);
}

export function readmeLoop(readme: string): string {
  return blockAfter(readme, MARKER);
}

/** The fenced block that follows a marker. */
function blockAfter(readme: string, marker: string): string {
  const after = readme.split(marker)[1];
  const block = after === undefined ? null : /^\s*```ts\n([\s\S]*?)\n```/.exec(after);
  if (block?.[1] === undefined) throw new Error(`Expected README.md to hold a \`\`\`ts block after "${marker}"`);
  return `${block[1]}\n`;
}
