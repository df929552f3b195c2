import pino from "pino";

/** From the least to the most that is told. */
export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface LogSettings {
  readonly format: LogFormat;
  readonly level: LogLevel;
}

const STDERR_FD = 2;

/**
 * A log of one JSON object a line on standard error: `level` by name, `time` in ISO 8601, `msg`, and the facts of the
 * message as fields of their own. Written before the process can end.
 */
export function createStructuredLog(level: LogLevel, onError: (error: Error) => void): pino.Logger {
  const destination = pino.destination({ fd: STDERR_FD, sync: true });
  destination.on("error", onError);
  return pino(
    {
      level,
      // The machine's name is added by whoever collects logs.
      base: { name: "varve", pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

let settings: LogSettings = { format: "text", level: "info" };

/** As the command line says, or the environment (VARVE_LOG_FORMAT, VARVE_LOG_LEVEL). Set once, before a command runs. */
export function useLogSettings(asked: LogSettings): void {
  settings = asked;
}

export function logSettings(): LogSettings {
  return settings;
}

/** Whether messages of a level are told at the level that was asked for. */
export function tells(asked: LogLevel, level: Exclude<LogLevel, "silent">): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(asked);
}
