import Table from "cli-table3";
import type { ProgramRow, Row, Target } from "./bench.ts";
import type { Figure } from "./figure.ts";

type Rows = readonly (Row | ProgramRow)[];

/** Rows as a table for a terminal. */
export function terminalTable(rows: Rows): string {
  const [head, ...lines] = linesOf(rows) as [string[], ...string[][]];
  const colAligns = head.map((_, i) => alignmentOf(head, i));
  const table = new Table({ head, style: { head: [], border: [] }, colAligns });
  table.push(...lines);
  return table.toString();
}

/** The same for a Markdown file. */
export function markdownTable(rows: Rows): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;
  const [head, ...lines] = linesOf(rows) as [string[], ...string[][]];
  const rule = head.map((_, i) => (alignmentOf(head, i) === "left" ? "---" : "---:"));
  return [head, rule, ...lines].map(line).join("\n");
}

/** The headings and the cells of each line; the columns of programs are those of the first that was measured. */
function linesOf(rows: Rows): string[][] {
  const programs = rows.filter((row) => "program" in row);
  const headings = Object.keys(programs[0]?.cells ?? {});
  if (programs.length === 0) return [[...HEAD], ...rows.map((row) => cells(row as Row))];
  return [["", ...headings], ...programs.map((row) => programCells(row, headings))];
}

function alignmentOf(head: readonly string[], column: number): "left" | "right" {
  return column === 0 || (column === 4 && head[column] === HEAD[column]) ? "left" : "right";
}

function programCells({ program, cells: all }: ProgramRow, headings: readonly string[]): string[] {
  const text = (cell: Figure | string | undefined): string => {
    if (cell === undefined) return "";
    return typeof cell === "string" ? cell : formatFigure(cell);
  };
  return [program, ...headings.map((heading) => text(all[heading]))];
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
export function formatFigure({
  median,
  min,
  max,
  count,
  unit,
}: Omit<Figure, "unit"> & { readonly unit: string }): string {
  const text = `${formatNumber(median)}${unit === "" ? "" : ` ${unit}`}`;
  return count === 1 ? text : `${text} (${formatNumber(min)}–${formatNumber(max)})`;
}

function formatNumber(value: number): string {
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString("en-US");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(4, digits) });
}
