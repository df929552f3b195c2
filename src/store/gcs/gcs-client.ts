import { StoreError } from "../../errors.ts";
import type { ObjectClient } from "../object-client.ts";
import type { ObjectPlace } from "../object-url.ts";

export async function connectGcs(place: ObjectPlace): Promise<ObjectClient> {
  throw new StoreError("unsupported", "open", place.url, "its adapter is being written");
}
