import Table from "cli-table3";
import type { Row, Target } from "./bench.ts";
import type { Figure } from "./figure.ts";

/** Rows as a table for a terminal. */
export function terminalTable(rows: readonly Row[]): string {
  const table = new Table({
    head: [...HEAD],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right", "left"],
  });
  for (const row of rows) table.push(cells(row));
  return table.toString();
}

/** The same for a Markdown file. */
export function markdownTable(rows: readonly Row[]): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;
  return [line(HEAD), line(["---", "---:", "---:", "---:", "---"]), ...rows.map((row) => line(cells(row)))].join("\n");
}

const HEAD = ["quantity", "Varve", "control", "ratio", "target"];

function cells({ quantity, varve, control, ratio, target }: Row): string[] {
  const compared = control === undefined ? "" : `${control.name}: ${formatFigure(control)}`;
  return [
    quantity,
    formatFigure(varve),
    compared,
    ratio === undefined ? "" : formatFigure(ratio),
    formatTarget(target),
  ];
}

function formatTarget(target: Target | undefined): string {
  if (target === undefined) return "";
  return `${target.text}: ${target.reached ? "reached" : "MISSED"}`;
}

/** The median, and in brackets the smallest and the largest repetition. */
function formatFigure({ median, min, max, count, unit }: Figure): string {
  const text = `${formatNumber(median)}${unit === "" ? "" : ` ${unit}`}`;
  return count === 1 ? text : `${text} (${formatNumber(min)}–${formatNumber(max)})`;
}

function formatNumber(value: number): string {
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString("en-US");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(4, digits) });
}
