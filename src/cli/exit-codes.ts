/** Every exit code of `varve`; `varve --help` lists them. */
export const EXIT = {
  ok: 0,
  /** The command failed; the message says at what. */
  failure: 1,
  /** Wrong command line or configuration, or `delete` without `--yes`; nothing was done. */
  usage: 2,
  /** `verify`, `list`, `show`, `sync`, `copy` or `export` found damage. */
  damaged: 3,
  /** Training ended, but its newest checkpoint could not be saved. */
  notSaved: 4,
  /** Training ended and is saved on local disk; its store lacks checkpoints. */
  behind: 5,
  /** Another process took the run over: this one stopped saving. Not to be resumed by itself. */
  fenced: 6,
  /** Ended by SIGTERM, to be resumed (EX_TEMPFAIL of sysexits.h: try again later). */
  preempted: 75,
  /** Ended by Ctrl-C, to be resumed (128 + SIGINT). */
  interrupted: 130,
  /** Ended at once by a second SIGTERM (128 + SIGTERM). */
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** How a command's action hands back what the process is to end with. */
export type Finish = (exitCode: ExitCode) => void;

/** For `varve --help`. */
export const EXIT_CODE_HELP = `
Exit codes:
  0    done
  1    failed; the message says at what
  2    wrong command line or configuration
  3    verify, list, show, sync, copy or export found damage
  4    trained, but the newest checkpoint could not be saved
  5    trained, and saved on local disk only: the store lacks checkpoints
  6    another process took the run over: this one stopped saving
  75   ended by SIGTERM: go on with --resume; what could not be saved in time is told
  130  ended by Ctrl-C: likewise
  143  ended at once by a second SIGTERM`;
