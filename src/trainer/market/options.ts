import { z } from "zod";
import { ConfigError } from "../../index.ts";

const isoDate = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, "expected a date as YYYY-MM-DD");
const count = z.number().int().positive();

/** The settings of `market`, as `varve.config.json` holds them under `environmentOptions`; every one may be left out. */
const marketOptionsSchema: z.ZodType<MarketOptions> = z.strictObject({
  data: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("sp500") }),
      z.strictObject({ kind: z.literal("csv"), files: z.array(z.string().min(1)).min(1) }),
      z.strictObject({ kind: z.literal("synthetic"), instruments: count, days: count, seed: z.number().int() }),
    ])
    .optional(),
  window: count.optional(),
  tradingDays: count.optional(),
  holdingDays: count.optional(),
  maxCoefficient: z.number().min(1).optional(),
  validationFrom: isoDate.optional(),
  holdoutFrom: isoDate.optional(),
});

/** Where prices come from. */
export type MarketData =
  /** The S&P 500 index, 2000 to 2020, of npm `vega-datasets`. */
  | { readonly kind: "sp500" }
  /** CSV files of one's own: one instrument a file, or several told apart by a column `symbol`. */
  | { readonly kind: "csv"; readonly files: readonly string[] }
  /** Made-up correlated stocks. */
  | { readonly kind: "synthetic"; readonly instruments: number; readonly days: number; readonly seed: number };

export interface MarketOptions {
  readonly data?: MarketData | undefined;
  /** Days in an observation; 504, two years, as in the original. */
  readonly window?: number | undefined;
  /** Days of an episode on which a position may open; 125. */
  readonly tradingDays?: number | undefined;
  /** Days after which a position is sold at the latest, and settlement days of an episode; 20. */
  readonly holdingDays?: number | undefined;
  /** The upper bound of an action's coefficient, which the original leaves open; 5. */
  readonly maxCoefficient?: number | undefined;
  /** First date of the validation part; by default 70 % of the days come before. */
  readonly validationFrom?: string | undefined;
  /** First date of the hold-out part, which neither training nor selection sees; by default the last 15 %. */
  readonly holdoutFrom?: string | undefined;
}

/** Options as they come from a configuration file. */
export type UncheckedOptions = MarketOptions | Readonly<Record<string, unknown>>;

/** {@link MarketOptions} with nothing left out but the dates, whose defaults depend on the prices. */
export interface MarketSettings {
  readonly data: MarketData;
  readonly window: number;
  readonly tradingDays: number;
  readonly holdingDays: number;
  readonly maxCoefficient: number;
  readonly validationFrom: string | undefined;
  readonly holdoutFrom: string | undefined;
}

/**
 * Checks the options and fills in what was left out.
 *
 * @throws ConfigError naming every option that is wrong
 */
export function parseMarketOptions(options: UncheckedOptions): MarketSettings {
  const parsed = marketOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `environmentOptions.${issue.path.join(".")}: ${issue.message}`);
    throw new ConfigError(`The settings of market are wrong: ${problems.join("; ")}`);
  }
  const { data, window, tradingDays, holdingDays, maxCoefficient, validationFrom, holdoutFrom } = parsed.data;
  return {
    data: data ?? { kind: "sp500" },
    window: window ?? 504,
    tradingDays: tradingDays ?? 125,
    holdingDays: holdingDays ?? 20,
    maxCoefficient: maxCoefficient ?? 5,
    validationFrom,
    holdoutFrom,
  };
}
