/** A piece of text that is seen, and its contrast against what lies behind it, as WCAG 2.2 defines it. */
export interface Contrast {
  readonly text: string;
  readonly colour: string;
  readonly ground: string;
  readonly ratio: number;
}

/** To be evaluated in a page: the contrast of all its texts. Disabled controls are left out, as WCAG does. */
export const CONTRASTS = `(() => {
  const parse = (colour) => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { red, green, blue, alpha };
  };
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ({ red, green, blue }) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const groundOf = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const ground = getComputedStyle(at).backgroundColor;
      if (parse(ground).alpha === 1) return ground;
    }
    throw new Error("nothing lies behind " + element.textContent);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === "" || !element.checkVisibility() || element.closest("script, :disabled") !== null) continue;
    const [colour, ground] = [getComputedStyle(element).color, groundOf(element)];
    const [darker, lighter] = [luminance(parse(colour)), luminance(parse(ground))].sort((a, b) => a - b);
    found.push({ text: node.data.trim().slice(0, 40), colour, ground, ratio: (lighter + 0.05) / (darker + 0.05) });
  }
  return found;
})()`;
