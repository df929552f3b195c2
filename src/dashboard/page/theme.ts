/** The colours that canvases draw with: the custom properties of style.css, which knows light and dark. */
export const COLOUR_NAMES = [
  ...(["ink", "muted", "line", "panel", "grid"] as const),
  ...(["evaluate", "learn", "evolve", "blocked", "encode", "write", "upload", "bad", "away"] as const),
  ...(["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"] as const),
] as const;

export type ColourName = (typeof COLOUR_NAMES)[number];

export interface Theme {
  colour(name: ColourName): string;
  /** With this much of it, 0..1, over what lies below. */
  tint(name: ColourName, share: number): string;
  readonly font: string;
  readonly hasReducedMotion: boolean;
}

/** @param onChange - is told when the reader's machine changes between light and dark */
export function openTheme(onChange: () => void): Theme {
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  const isReduced = matchMedia("(prefers-reduced-motion: reduce)");
  let colours = readColours();
  isDark.addEventListener("change", () => {
    colours = readColours();
    onChange();
  });
  const colour = (name: ColourName): string => colours.get(name) ?? "";
  return {
    colour,
    tint: (name, share) => `color-mix(in srgb, ${colour(name)} ${Math.round(share * 100)}%, transparent)`,
    font: getComputedStyle(document.body).fontFamily,
    get hasReducedMotion() {
      return isReduced.matches;
    },
  };
}

function readColours(): ReadonlyMap<ColourName, string> {
  const style = getComputedStyle(document.documentElement);
  return new Map(COLOUR_NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
