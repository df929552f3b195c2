import { randomBytes } from "node:crypto";

/** Makes ids that are new everywhere and always: 128 random bits as 32 hexadecimal digits. */
export type IdSource = () => string;

export const randomId: IdSource = () => randomBytes(16).toString("hex");
