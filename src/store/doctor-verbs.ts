import { failed, isSame, ok, type PlannedCheck, textBytes } from "./doctor-check.ts";

const FIRST = textBytes("the first content");
const SECOND = textBytes("other");

/** The five verbs one by one, so that each missing permission shows by itself. */
export const VERB_CHECKS: readonly PlannedCheck[] = [
  {
    name: "write",
    needs: [],
    right: "create",
    run: async (subject) => {
      await subject.put("first", FIRST);
      return ok("An object can be written.");
    },
  },
  {
    name: "read",
    needs: ["write"],
    right: "read",
    run: async (subject) => {
      if (!isSame(await subject.get("first"), FIRST)) return failed("What was just written does not come back.");
      const info = await subject.store.head(`${subject.prefix}first`, subject.request);
      if (info?.sizeBytes !== FIRST.length) {
        return failed(`An object of ${FIRST.length} bytes is described as ${info?.sizeBytes ?? "absent"}.`);
      }
      return ok("It comes back byte for byte.");
    },
  },
  {
    name: "absent",
    needs: [],
    right: "read",
    run: async (subject) => {
      const bytes = await subject.get("never-written");
      const info = await subject.store.head(`${subject.prefix}never-written`, subject.request);
      if (bytes !== null || info !== null) return failed("An object that was never written is answered with one.");
      return ok("What does not exist is told as absent, not as an error.");
    },
  },
  {
    name: "list",
    needs: [],
    right: "list",
    run: async (subject) => {
      const found = await subject.list("");
      return found.some(({ name }) => name === "first") || !subject.mayHold("first")
        ? ok("Objects can be listed.")
        : failed("An object that was just written is not in the listing.");
    },
  },
  {
    name: "overwrite",
    needs: ["write", "read"],
    right: "replace",
    run: async (subject) => {
      await subject.put("first", SECOND);
      return isSame(await subject.get("first"), SECOND)
        ? ok("An object is replaced whole, and the new content is seen at once.")
        : failed("After a second write the first content is still read, or a mixture.");
    },
  },
  {
    name: "delete",
    needs: [],
    right: "delete",
    run: async (subject) => {
      // Where nothing may be written, deleting what is absent still tells whether one may.
      if (subject.mayHold("first")) await subject.put("doomed", FIRST);
      // Twice: prune may have to, where an answer is lost.
      for (let time = 0; time < 2; time++) await subject.store.delete(`${subject.prefix}doomed`, subject.request);
      return ok("An object can be deleted, and again without harm.");
    },
  },
];
