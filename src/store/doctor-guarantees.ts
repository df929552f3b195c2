import { isVarveError } from "../errors.ts";
import { type DoctorFinding, failed, isSame, ok, type PlannedCheck, skipped, textBytes } from "./doctor-check.ts";
import { type DoctorSubject, randomBytesOf } from "./doctor-subject.ts";

const RACERS = 8;

const NOT_SHARED =
  "Use a store that honours If-None-Match, or keep every other writer away and say so with the store option `exclusive`.";
const NOT_CONSISTENT = "Varve needs a store where every reader sees at once what was written.";

/** In ascending order of code units; the two after "a.1" are where folders and files are easily mixed up. */
const ORDERED: readonly string[] = ["A", "a-1", "a.1", "a/1", "a/1.b", "a/10", "a/2", "a0", "a00", "b/c/d", "b0", "z"];

/** What checkpoints rest on, beyond that the verbs work. */
export const GUARANTEE_CHECKS: readonly PlannedCheck[] = [
  { name: "create-if-absent", needs: ["write", "read"], right: "create", run: createsOnce },
  { name: "race", needs: ["write", "read", "create-if-absent"], right: "create", run: hasOneWinner },
  { name: "read-after-write", needs: ["write", "read", "list"], right: "read", run: seesWrites },
  { name: "read-after-delete", needs: ["write", "read", "list", "delete"], right: "read", run: seesDeletes },
  { name: "ranges", needs: ["write", "read"], right: "read", run: readsRanges },
  { name: "listing", needs: ["write", "list"], right: "list", run: listsInOrder },
  { name: "checksum", needs: ["write", "read"], right: "read", run: keepsBytes },
  { name: "wrong-checksum", needs: ["write"], right: "create", run: refusesDamage },
];

async function createsOnce(subject: DoctorSubject): Promise<DoctorFinding> {
  const first = textBytes("first");
  if (!(await subject.put("created", first, { ifAbsent: true }))) {
    return failed("Creating an object that is absent was refused.");
  }
  if (await subject.put("created", textBytes("second"), { ifAbsent: true })) {
    return failed("Create-if-absent is ignored: an object that exists was replaced.", NOT_SHARED);
  }
  return isSame(await subject.get("created"), first)
    ? ok("An object that exists is not created again, and keeps its content.")
    : failed("A refused second create changed the object.");
}

async function hasOneWinner(subject: DoctorSubject): Promise<DoctorFinding> {
  const racers = Array.from({ length: RACERS }, (_, racer) => textBytes(`racer ${racer}`));
  const answers = await Promise.allSettled(racers.map((text) => subject.put("raced", text, { ifAbsent: true })));
  const broken = answers.find((answer) => answer.status === "rejected");
  if (broken !== undefined) throw broken.reason;
  const winners = racers.filter((_, racer) => (answers[racer] as PromiseFulfilledResult<boolean>).value);
  if (winners.length !== 1) {
    return failed(`Of ${RACERS} writers at once ${winners.length} were told that they created one object.`, NOT_SHARED);
  }
  return isSame(await subject.get("raced"), winners[0] as Uint8Array)
    ? ok(`Of ${RACERS} writers at once exactly one creates an object.`)
    : failed("The object holds what another writer wrote than the one that was told it created it.");
}

async function seesWrites(subject: DoctorSubject): Promise<DoctorFinding> {
  for (let round = 0; round < 3; round++) {
    const part = `seen/${round}`;
    const content = textBytes(part);
    await subject.put(part, content);
    const isListed = (await subject.list("seen/")).some(({ name }) => name === part);
    if (!isListed || !isSame(await subject.get(part), content)) {
      return failed("An object that was acknowledged is not seen by the next request.", NOT_CONSISTENT);
    }
  }
  return ok("What is acknowledged is seen by the next read and listing.");
}

async function seesDeletes(subject: DoctorSubject): Promise<DoctorFinding> {
  await subject.put("gone", textBytes("gone"));
  // Whoever keeps copies has one from now on.
  await subject.get("gone");
  await subject.store.delete(`${subject.prefix}gone`, subject.request);
  return (await subject.get("gone")) === null && (await subject.list("gone")).length === 0
    ? ok("What is deleted is gone for the next read and listing.")
    : failed("A deleted object is still read or listed.", NOT_CONSISTENT);
}

async function readsRanges(subject: DoctorSubject): Promise<DoctorFinding> {
  await subject.put("digits", textBytes("0123456789"));
  for (const [offset, length, holds] of [
    [0, 10, "0123456789"],
    [3, 4, "3456"],
    [8, 100, "89"],
    [10, 5, ""],
  ] as const) {
    const got = await subject.store.get(`${subject.prefix}digits`, { ...subject.request, range: { offset, length } });
    if (!isSame(got, textBytes(holds))) {
      return failed(`${length} bytes from ${offset} of 10 came back as ${got?.length ?? "none"} bytes, or others.`);
    }
  }
  return ok("Ranges of an object are read exactly.");
}

async function listsInOrder(subject: DoctorSubject): Promise<DoctorFinding> {
  const expected = ORDERED.map((name, index) => ({ name: `list/${name}`, sizeBytes: index }));
  for (const { name, sizeBytes } of expected.toReversed()) await subject.put(name, new Uint8Array(sizeBytes));
  const found = await subject.list("list/");
  const missing = expected.filter(({ name }) => !found.some((info) => info.name === name));
  if (missing.length > 0) {
    return failed(`${missing.length} of ${expected.length} objects are not in the listing.`, NOT_CONSISTENT);
  }
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    return failed("The listing is not in order of name, or its sizes are wrong.");
  }
  const below = (await subject.list("list/a/")).map(({ name }) => name);
  return below.join() === "list/a/1,list/a/1.b,list/a/10,list/a/2"
    ? ok("Listings are complete, in order and with sizes.")
    : failed("A listing of a prefix holds other objects, or not all.");
}

async function keepsBytes(subject: DoctorSubject): Promise<DoctorFinding> {
  const content = randomBytesOf(300_001);
  await subject.put("bytes", content);
  return isSame(await subject.get("bytes"), content)
    ? ok("300 kB come back unchanged.")
    : failed("300 kB came back changed.", "Something between here and the store alters what passes.");
}

async function refusesDamage(subject: DoctorSubject): Promise<DoctorFinding> {
  const { bucket } = subject;
  if (bucket?.client.putWithWrongChecksum === undefined)
    return skipped("This store has no checksum of its own to try.");
  const key = bucket.prefix + subject.name("damaged");
  try {
    await bucket.client.putWithWrongChecksum(key, textBytes("damaged"), subject.request);
  } catch (error) {
    if (!isVarveError(error, "VARVE_STORE") || (error as { kind?: unknown }).kind !== "io") throw error;
    return ok("An upload that was damaged on its way is refused.");
  }
  return failed(
    "An upload whose checksum is wrong was accepted.",
    "Damage on the way up is then found only when a checkpoint is read: run varve verify now and then.",
  );
}
