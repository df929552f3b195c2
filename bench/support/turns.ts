/**
 * Times functions in turns, round by round, so that what the machine does beside it meets all of them. Who comes first
 * changes from round to round.
 *
 * @param between - called before each of them, and not timed
 * @returns for every task its times, in ms, in the order of rounds
 */
export async function timeInTurns<Name extends string>(
  tasks: Readonly<Record<Name, () => unknown>>,
  rounds: number,
  between: () => unknown = () => undefined,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(tasks) as Name[];
  const times = Object.fromEntries(names.map((name): [Name, number[]] => [name, []])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(round + i) % names.length] as Name;
      await between();
      const startedMs = performance.now();
      await tasks[name]();
      times[name].push(performance.now() - startedMs);
    }
  }
  return times;
}

/** MB a second, of every time. */
export function speeds(bytes: number, timesMs: readonly number[]): number[] {
  return timesMs.map((timeMs) => bytes / 1000 / timeMs);
}
