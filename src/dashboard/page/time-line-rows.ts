export interface TimeLineRow {
  readonly name: "training" | "blocked" | "encode" | "write" | "upload";
  readonly label: string;
  readonly top: number;
  readonly height: number;
}

/** The rows of the time-line from top to bottom, in CSS pixels. The page's labels and the canvas both go by this. */
export const TIME_LINE_ROWS: readonly TimeLineRow[] = [
  { name: "training", label: "Training", top: 4, height: 34 },
  { name: "blocked", label: "Blocked", top: 44, height: 14 },
  { name: "encode", label: "Encode", top: 64, height: 20 },
  { name: "write", label: "Local write", top: 90, height: 20 },
  { name: "upload", label: "Upload", top: 116, height: 20 },
];

export const AXIS_TOP = 142;
export const TIME_LINE_HEIGHT = 162;

const ROW_BY_NAME = new Map(TIME_LINE_ROWS.map((row) => [row.name, row]));

export function rowNamed(name: TimeLineRow["name"]): TimeLineRow {
  return ROW_BY_NAME.get(name) as TimeLineRow;
}

/** The row at a height, with the gap below it; null over the axis. */
export function rowAt(y: number): TimeLineRow | null {
  if (y >= AXIS_TOP) return null;
  return TIME_LINE_ROWS.find(({ top, height }) => y < top + height + 3) ?? null;
}
