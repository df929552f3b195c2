import { ConfigError } from "../../index.ts";
import type { Split } from "../environment.ts";

const TRAINING_SHARE = 0.7;
const VALIDATION_SHARE = 0.15;

/** Days [from, to) of the calendar. */
export interface DayRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts the calendar in three, one after another: what is selected and judged on always lies after what was learned from.
 *
 * An episode stays inside its part with every day on which it trades or settles. The window that it looks back on may
 * reach into the part before: that much was known then.
 *
 * @param validationFrom - first date of the validation part; by default after 70 % of the days
 * @param holdoutFrom - first date of the hold-out part; by default after 85 % of the days
 */
export function splitCalendar(
  dates: readonly string[],
  validationFrom: string | undefined,
  holdoutFrom: string | undefined,
): Readonly<Record<Split, DayRange>> {
  const dayOf = (date: string) => {
    const day = dates.findIndex((candidate) => candidate >= date);
    return day === -1 ? dates.length : day;
  };
  const validation = validationFrom === undefined ? Math.floor(dates.length * TRAINING_SHARE) : dayOf(validationFrom);
  const holdout =
    holdoutFrom === undefined ? Math.floor(dates.length * (TRAINING_SHARE + VALIDATION_SHARE)) : dayOf(holdoutFrom);
  if (validation > holdout) {
    throw new ConfigError(
      `Expected \`holdoutFrom\` to come after \`validationFrom\`, got ${dates[holdout]} and ${dates[validation]}`,
    );
  }
  return {
    training: { from: 0, to: validation },
    validation: { from: validation, to: holdout },
    holdout: { from: holdout, to: dates.length },
  };
}

/**
 * The days on which an episode of a part may start.
 *
 * @param earliest - first day of the calendar with a whole window behind it
 * @param lastDayOffset - from an episode's first day to the last that it sees
 * @throws ConfigError where the part is too short
 */
export function episodeStarts(split: Split, range: DayRange, earliest: number, lastDayOffset: number): DayRange {
  const starts = { from: Math.max(range.from, earliest), to: range.to - lastDayOffset };
  if (starts.from < starts.to) return starts;
  const needed = lastDayOffset + 1 + Math.max(0, earliest - range.from);
  throw new ConfigError(
    `The ${split} part of the prices is too short: an episode needs ${needed} days of it, got ${range.to - range.from}`,
    { hint: "Give more days, a smaller window, or other dates for validationFrom and holdoutFrom." },
  );
}
