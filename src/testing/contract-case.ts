import type { Store, StoreTraits } from "../store/store.ts";

/** What can happen to a request on its way: with most stores a test cannot reach in between. */
export type WireFault =
  /** The server does what it is asked, and its answer never arrives. */
  | "answer lost"
  /** Nothing moves any more. */
  | "stalled"
  /** A bit of what is written, or of what is read, is another. */
  | "upload corrupted"
  | "download corrupted"
  /** Half of what is read arrives. */
  | "download cut";

/** A fresh, empty store for one test, and what the suite cannot do through the store itself. */
export interface ContractSubject {
  readonly store: Store;
  /** A second client of the same place, where there can be one: racing writers are spread over both. */
  readonly second?: Store | undefined;
  /** Makes reading this object fail by something else than its absence. */
  readonly makeUnreadable?: ((name: string) => Promise<void>) | undefined;
  /** Lets the next request meet this. The store gives up on what does not move after 200 ms at most. */
  readonly breakNext?: ((fault: WireFault) => void) | undefined;
  readonly dispose?: (() => Promise<void>) | undefined;
}

export interface ContractSettings {
  /** What the store claims, checked against it; cases that rest on a trait it lacks are left out. Both by default. */
  readonly traits: StoreTraits;
  /** Size of the big object; 20 MiB by default. */
  readonly bigObjectBytes: number;
  /** Objects of the long listing; 250 by default. More than a page of the store makes a better test. */
  readonly objectCount: number;
}

/** One test: its title says what every store does. */
export interface ContractCase {
  readonly title: string;
  /** Left out where the store does not claim this trait. */
  readonly needs?: keyof StoreTraits | undefined;
  readonly run: (subject: ContractSubject, settings: ContractSettings) => Promise<void>;
}
