import { type Failure, type Listing, list, type Query } from "./api.ts";

/** Milliseconds between two looks, for each page of agents. */
const POLL_MS = 5_000;
/** How often the wait for the next look is doubled after failures, at most. */
const MAX_DOUBLINGS = 4;

export interface Events {
  readonly onListing: (listing: Listing) => void;
  readonly onFailure: (failure: Failure) => void;
}

/** Looks at the agents again and again, unless the tab is hidden. */
export class Watch {
  token = "";
  query: Query = { owner: "", state: "" };
  /** How many pages of agents to fetch. */
  pages = 1;
  readonly #events: Events;
  #timer = 0;
  #look = new AbortController();
  #failures = 0;
  #fetched = 1;

  constructor(events: Events) {
    this.#events = events;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.pause();
      else void this.look();
    });
  }

  /** Looks now; a look that is still going on is dropped. */
  async look(): Promise<void> {
    this.pause();
    const look = new AbortController();
    this.#look = look;
    const { onListing, onFailure } = this.#events;
    const report = await list(this.token, this.query, this.pages, look.signal).then(
      (listing) => () => {
        this.#failures = 0;
        this.#fetched = listing.pages;
        onListing(listing);
      },
      (failure: Failure) => () => {
        this.#failures += 1;
        onFailure(failure);
      },
    );
    if (!look.signal.aborted) report();
    if (!look.signal.aborted) this.#timer = setTimeout(() => this.look(), this.#delay());
  }

  /** Stops looking. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#look.abort();
  }

  #delay(): number {
    return POLL_MS * this.#fetched * 2 ** Math.min(this.#failures, MAX_DOUBLINGS);
  }
}
