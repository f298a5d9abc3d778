import { matches, NEWEST_FIRST, orderAfterClick, sorted, type Totals } from "./agents.ts";
import type { Listing, Query } from "./api.ts";
import { element, part, say, write } from "./dom.ts";
import { count } from "./format.ts";
import { Table } from "./table.ts";

/** How long after the last key in the search field a screen reader is told how many agents match, in milliseconds. */
const ANNOUNCE_MS = 700;

const section = part("overview", HTMLElement);
const search = part("search", HTMLInputElement);
const owner = part("owner", HTMLSelectElement);
const state = part("state", HTMLSelectElement);
const summary = part("summary", HTMLElement);
const updated = part("updated", HTMLElement);
const more = part("more", HTMLElement);

const TOTALS = ["running", "stopped", "answered", "failed", "input_tokens", "output_tokens"] as const;

export interface Events {
  /** The user wants to see other agents: those of a query, up to so many pages of them. */
  readonly onQuery: (query: Query, pages: number) => void;
  readonly onStop: (session: string, button: HTMLElement) => void;
  /** The element that has the focus, or will get it back. */
  readonly held: () => Element | null;
}

/** The totals, the filters and the table. */
export class Overview {
  readonly #events: Events;
  readonly #table: Table;
  readonly #owners = new Set<string>();
  #listing: Listing | undefined;
  #order = NEWEST_FIRST;
  #mustAnnounce = false;
  #announcement = 0;

  constructor(events: Events) {
    this.#events = events;
    this.#table = new Table({
      onSort: (column) => {
        this.#order = orderAfterClick(column, this.#order);
        this.#render();
      },
      onStop: events.onStop,
    });
    search.addEventListener("input", () => {
      this.#render();
      clearTimeout(this.#announcement);
      this.#announcement = setTimeout(() => this.#announce(), ANNOUNCE_MS);
    });
    for (const filter of [owner, state]) filter.addEventListener("change", () => this.#query(1));
    part("next", HTMLButtonElement).addEventListener("click", () =>
      this.#query((this.#listing?.pages ?? 0) + 1),
    );
    part("all", HTMLButtonElement).addEventListener("click", () => this.#query(Number.POSITIVE_INFINITY));
  }

  open(): void {
    section.hidden = false;
  }

  /** Hides the section, and removes the agents from it. */
  close(): void {
    section.hidden = true;
    this.#listing = undefined;
    this.#table.show([], this.#order, 0, null);
  }

  show(listing: Listing): void {
    this.#listing = listing;
    for (const agent of listing.agents) this.#addOwner(agent.owner);
    write(updated, `Updated ${new Date().toLocaleTimeString()}`);
    this.#render();
    if (this.#mustAnnounce) this.#announce();
    this.#mustAnnounce = false;
  }

  #render(): void {
    if (this.#listing === undefined) return;
    const { agents, totals, hasMore } = this.#listing;
    const found = agents.filter((agent) => matches(agent, search.value));
    this.#table.show(sorted(found, this.#order), this.#order, Date.now(), this.#events.held());
    showTotals(totals);
    write(summary, summaryOf(found.length, this.#listing));
    // The button that was clicked goes away with the last page.
    if (!hasMore && more.contains(document.activeElement)) summary.focus();
    more.hidden = !hasMore;
  }

  #query(pages: number): void {
    this.#mustAnnounce = true;
    this.#events.onQuery({ owner: owner.value, state: state.value }, pages);
  }

  #announce(): void {
    say(summary.textContent, true);
  }

  #addOwner(name: string): void {
    if (this.#owners.has(name)) return;
    this.#owners.add(name);
    const next = [...owner.options].slice(1).find((option) => option.value > name);
    owner.insertBefore(element("option", {}, name), next ?? null);
  }
}

function showTotals(totals: Totals): void {
  const shown = { ...totals, stopped: totals.agents - totals.running };
  for (const name of TOTALS) write(part(`total-${name}`, HTMLElement), count(shown[name]));
}

function summaryOf(found: number, { agents, totals, hasMore }: Listing): string {
  const isFiltered = owner.value !== "" || state.value !== "";
  if (totals.agents === 0) return isFiltered ? "No agent matches" : "No agents yet";
  const loaded = hasMore
    ? `the newest ${count(agents.length)} of ${count(totals.agents)} agents`
    : agentsOf(agents.length);
  if (search.value.trim() !== "") return `${count(found)} of ${loaded} match`;
  return hasMore ? `Sorting and searching only ${loaded}` : loaded;
}

function agentsOf(number: number): string {
  return `${count(number)} ${number === 1 ? "agent" : "agents"}`;
}
