// The README shows how to add Varve to one's own loop; CI runs exactly those lines.

const MARKER = "<!-- loop: CI runs this block as it stands -->";

/** The fenced block that follows the marker. */
export function readmeLoop(readme: string): string {
  const after = readme.split(MARKER)[1];
  const block = after === undefined ? null : /^\s*```ts\n([\s\S]*?)\n```/.exec(after);
  if (block?.[1] === undefined) throw new Error(`Expected README.md to hold a \`\`\`ts block after "${MARKER}"`);
  return `${block[1]}\n`;
}
