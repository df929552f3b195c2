import type { ErrorFacts } from "../../record/run-record.ts";

/** A run that the server shows. */
export interface ListedRun {
  readonly id: string;
  readonly name: string;
  readonly store: string;
  /** Whether this server sits in the training process. */
  readonly isLive: boolean;
  /** False where its store is not asked for its checkpoints. */
  readonly isListed: boolean;
  readonly error: ErrorFacts | null;
}

/** "refused": the server is there, and asks who this is: it was started anew, with another token. */
export type ListAnswer = { readonly runs: readonly ListedRun[] } | "refused" | "unreachable";

export async function fetchRuns(): Promise<ListAnswer> {
  let response: Response;
  try {
    response = await fetch("/api/runs", { headers: { accept: "application/json" } });
  } catch {
    // fetch() has one way to fail: nobody answered.
    return "unreachable";
  }
  if (response.status === 401 || response.status === 403) return "refused";
  if (!response.ok) return "unreachable";
  return (await response.json()) as { readonly runs: readonly ListedRun[] };
}
