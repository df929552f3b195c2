// What a part of the tests says of itself: `SUMMARY <title>: <count> <unit>[ of …], …`.

export interface SummaryLine {
  readonly title: string;
  readonly count: number;
  readonly unit: string;
}

const LINE = /^SUMMARY (.+?): ([\d,]+) ([a-z]+(?: [a-z]+)*?)(?: of [^,]*)?,/gm;

/** The lines that count something, in order; others, such as those of planted bugs, are passed over. */
export function summaryLines(output: string): SummaryLine[] {
  return [...output.matchAll(LINE)].map(([, title = "", count = "", unit = ""]) => {
    return { title, count: Number(count.replaceAll(",", "")), unit };
  });
}

/** Adds up lines of equal unit, and of equal title within it; in order of their first appearance. */
export function addUp(lines: readonly SummaryLine[]): string[] {
  return [...Map.groupBy(lines, ({ unit }) => unit)].flatMap(([unit, ofUnit]) => {
    const titles = [...Map.groupBy(ofUnit, ({ title }) => title)].map(
      ([title, ofTitle]) => `  ${total(ofTitle)} ${title}`,
    );
    return [`${total(ofUnit)} ${unit}`, ...(titles.length > 1 ? titles : [])];
  });
}

function total(lines: readonly SummaryLine[]): string {
  return lines.reduce((sum, { count }) => sum + count, 0).toLocaleString("en");
}
