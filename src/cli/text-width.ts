import stringWidth from "string-width";

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Cuts a text to so many columns of a terminal, where a Chinese character or an emoji takes two. */
export function cutToWidth(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let [cut, taken] = ["", 0];
  for (const { segment } of graphemes.segment(text)) {
    taken += stringWidth(segment);
    // One column is for the mark.
    if (taken > width - 1) break;
    cut += segment;
  }
  return width > 0 ? `${cut}…` : "";
}
