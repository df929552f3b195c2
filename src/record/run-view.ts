import type {
  CheckpointFacts,
  CommittedRecord,
  DegradedRecord,
  DurableRecord,
  EndRecord,
  FailedRecord,
  GenerationRecord,
  QueuedRecord,
  ResumeRecord,
  RunRecord,
  StartRecord,
  StatusRecord,
  WaitedRecord,
  WarningRecord,
} from "./run-record.ts";

/** What became of one save of the run. */
export interface SaveView {
  readonly sequence: number;
  readonly step: number;
  queued: QueuedRecord | null;
  durable: DurableRecord | null;
  committed: CommittedRecord | null;
  failed: FailedRecord | null;
  leftOut: "skipped" | "replaced" | null;
}

export type Problem = FailedRecord | DegradedRecord | WarningRecord;

/** A run as a person looks at it. Pure data: the page in the browser builds it from the same records as the terminal. */
export interface RunView {
  config: StartRecord["config"] | null;
  /** When each process of the run began. */
  readonly sessions: (StartRecord | ResumeRecord)[];
  /** In order, each generation once. */
  readonly generations: GenerationRecord[];
  /** In order of their sequence. */
  readonly saves: SaveView[];
  /** For memory, outside of saves, oldest first. */
  readonly waits: WaitedRecord[];
  /** Empty where the store was not asked. */
  checkpoints: readonly CheckpointFacts[];
  status: StatusRecord | null;
  /** Newest last. */
  readonly problems: Problem[];
  /** The store is away since this. */
  degraded: DegradedRecord | null;
  end: EndRecord | null;
}

const MOST_PROBLEMS = 50;

export function emptyView(): RunView {
  return {
    ...{ config: null, sessions: [], generations: [], saves: [], waits: [], checkpoints: [] },
    ...{ status: null, problems: [], degraded: null, end: null },
  };
}

/** Takes one record in. Events that are not known are passed over. Cost: constant, but for a resume. */
export function applyRecord(view: RunView, record: RunRecord): void {
  switch (record.event) {
    case "start":
    case "resume":
      beginSession(view, record);
      return;
    case "generation":
      dropFrom(view.generations, (each) => each.generation >= record.generation);
      view.generations.push(record);
      return;
    case "status":
      view.status = record;
      return;
    case "waited":
      view.waits.push(record);
      return;
    case "queued":
    case "durable":
    case "committed":
      saveOf(view, record)[record.event] = record as never;
      return;
    case "failed":
      saveOf(view, record).failed = record;
      addProblem(view, record);
      return;
    case "skipped":
    case "replaced":
      saveOf(view, record).leftOut = record.event;
      return;
    case "degraded":
      view.degraded = record;
      addProblem(view, record);
      return;
    case "recovered":
      view.degraded = null;
      return;
    case "warning":
      addProblem(view, record);
      return;
    case "end":
      view.end = record;
      return;
    case "checkpoints":
      view.checkpoints = record.checkpoints;
      return;
  }
}

/** What the abandoned future of a resumed run had is not shown as the run's own. */
function beginSession(view: RunView, record: StartRecord | ResumeRecord): void {
  view.config = record.config;
  view.sessions.push(record);
  view.end = null;
  view.degraded = null;
  view.status = null;
  if (record.event === "resume") dropFrom(view.generations, (each) => each.generation > record.step);
}

/** Drops the last ones as long as they are asked for. */
function dropFrom<T>(list: T[], isDropped: (each: T) => boolean): void {
  for (let last = list.at(-1); last !== undefined && isDropped(last); last = list.at(-1)) list.pop();
}

function saveOf(view: RunView, { sequence, step }: { readonly sequence: number; readonly step: number }): SaveView {
  // From the end, where it is nearly always: a run may have a hundred thousand saves.
  const place = view.saves.findLastIndex((each) => each.sequence <= sequence);
  const known = view.saves[place];
  if (known?.sequence === sequence) return known;
  const save: SaveView = { sequence, step, queued: null, durable: null, committed: null, failed: null, leftOut: null };
  view.saves.splice(place + 1, 0, save);
  return save;
}

function addProblem(view: RunView, problem: Problem): void {
  view.problems.push(problem);
  if (view.problems.length > MOST_PROBLEMS) view.problems.shift();
}
