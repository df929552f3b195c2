import { type DoctorFinding, failed, isSame, ok, type PlannedCheck, skipped } from "./doctor-check.ts";
import { type DoctorSubject, randomBytesOf } from "./doctor-subject.ts";

const SMALL_BYTES = 1024;
const ROUNDS = 5;
/** Stores tell whole seconds, and the request itself takes a while. */
const USUAL_DIFFERENCE_MS = 5000;
/** From here on S3 and Azure refuse what was signed. */
const REFUSED_DIFFERENCE_MS = 15 * 60 * 1000;

/** What is measured. Nothing here depends on how fast it is. */
export const SPEED_CHECKS: readonly PlannedCheck[] = [
  { name: "clock", needs: ["write", "read"], right: "read", run: compareClocks },
  { name: "latency", needs: ["write", "read"], right: "read", run: measureLatency },
  { name: "throughput", needs: ["write", "read"], right: "read", run: measureThroughput },
];

async function compareClocks(subject: DoctorSubject): Promise<DoctorFinding> {
  const before = subject.clock.now();
  await subject.put("clock", new Uint8Array(1));
  const ours = (before + subject.clock.now()) / 2;
  const info = await subject.store.head(`${subject.prefix}clock`, subject.request);
  if (info === null) return failed("An object that was just written is absent.");
  if (info.modifiedAtMs === null) return skipped("The store does not tell times.");
  const clockAheadMs = Math.round(info.modifiedAtMs - ours);
  const difference = Math.abs(clockAheadMs);
  const measured = { clockAheadMs };
  if (difference <= USUAL_DIFFERENCE_MS) return ok("The store's clock and ours agree.", { measured });
  const detail = `The store's clock is ${(difference / 1000).toFixed(0)} s ${clockAheadMs > 0 ? "ahead of" : "behind"} ours.`;
  const hint =
    difference < REFUSED_DIFFERENCE_MS
      ? "Nothing in Varve depends on it; from 15 minutes on clouds refuse requests. Set this machine's clock."
      : "Clouds refuse requests of a clock that is this wrong. Set this machine's clock.";
  return ok(detail, { measured, hint });
}

async function measureLatency(subject: DoctorSubject): Promise<DoctorFinding> {
  const content = randomBytesOf(SMALL_BYTES);
  const puts: number[] = [];
  const gets: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const part = `latency/${round}`;
    puts.push(await timed(subject, () => subject.put(part, content)));
    gets.push(await timed(subject, () => subject.get(part)));
  }
  const measured = { putMs: median(puts), getMs: median(gets) };
  return ok(`A small object takes ${round1(measured.putMs)} ms to write and ${round1(measured.getMs)} ms to read.`, {
    measured,
  });
}

async function measureThroughput(subject: DoctorSubject): Promise<DoctorFinding> {
  const { bigObjectBytes } = subject;
  const content = randomBytesOf(bigObjectBytes);
  const putMs = await timed(subject, () => subject.put("big", content));
  let got: Uint8Array | null = null;
  const getMs = await timed(subject, async () => {
    got = await subject.get("big");
  });
  if (!isSame(got, content)) return failed("A big object came back changed.");
  const measured = {
    uploadBytesPerSecond: (bigObjectBytes * 1000) / putMs,
    downloadBytesPerSecond: (bigObjectBytes * 1000) / getMs,
  };
  const up = round1(measured.uploadBytesPerSecond / 1e6);
  const down = round1(measured.downloadBytesPerSecond / 1e6);
  return ok(`One object of ${round1(bigObjectBytes / 1e6)} MB: ${up} MB/s up, ${down} MB/s down.`, { measured });
}

async function timed(subject: DoctorSubject, work: () => Promise<unknown>): Promise<number> {
  const begun = subject.clock.monotonicMs();
  await work();
  // A clock that did not move says "less than it can tell".
  return Math.max(subject.clock.monotonicMs() - begun, 0.001);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

function round1(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}
