import { type Agent, COLUMNS, type Column, type Order } from "./agents.ts";
import { element, part, write } from "./dom.ts";
import { ago, count, moment } from "./format.ts";

/** What the table reports: clicks on headings and on stop buttons. */
export interface Events {
  readonly onSort: (column: Column) => void;
  readonly onStop: (session: string, button: HTMLButtonElement) => void;
}

/**
 * The table of agents, with one row for each session as long as the agent is listed. All of its elements name their roles:
 * browsers drop those of a table whose style makes them boxes, as on narrow screens.
 */
export class Table {
  readonly #body = element("tbody", { role: "rowgroup" });
  readonly #headings: readonly HTMLTableCellElement[];
  readonly #events: Events;
  #rows = new Map<string, Row>();

  constructor(events: Events) {
    this.#events = events;
    this.#headings = COLUMNS.map((column) => {
      const button = element("button", { type: "button" }, column.title);
      button.addEventListener("click", () => events.onSort(column));
      return element("th", { role: "columnheader", scope: "col", class: column.kind }, button);
    });
    const last = element(
      "th",
      { role: "columnheader", scope: "col" },
      element("span", { class: "unseen" }, "Stop"),
    );
    const head = element(
      "thead",
      { role: "rowgroup" },
      element("tr", { role: "row" }, ...this.#headings, last),
    );
    const table = part("table", HTMLTableElement);
    table.setAttribute("role", "table");
    table.append(head, this.#body);
  }

  /** Shows these agents. The row that contains `held`, the element with the focus, keeps its place in the document. */
  show(agents: readonly Agent[], order: Order, now: number, held: Element | null): void {
    for (const [i, heading] of this.#headings.entries()) {
      const direction = order.isDescending ? "descending" : "ascending";
      heading.ariaSort = COLUMNS[i] === order.column ? direction : "none";
    }
    const rows = agents.map((agent) => {
      const row = this.#rows.get(agent.session) ?? new Row(agent.session, this.#events.onStop);
      row.show(agent, now, held);
      return row;
    });
    const before = [...this.#rows.values()];
    const place = before.findIndex((row) => row.element.contains(held));
    const kept = before[place];
    // An agent that is no longer listed keeps its row until the focus leaves it.
    if (kept !== undefined && !rows.includes(kept)) rows.splice(place, 0, kept);
    this.#rows = new Map(rows.map((row) => [row.session, row]));
    this.#arrange(rows, kept);
  }

  /** Moves all rows but the kept one: moving an element takes the focus from it. */
  #arrange(rows: readonly Row[], kept: Row | undefined): void {
    const wanted = rows.map((row) => row.element);
    const current = [...this.#body.children];
    if (current.length === wanted.length && wanted.every((row, i) => row === current[i])) return;
    const listed = new Set<Element>(wanted);
    for (const row of current) if (!listed.has(row)) row.remove();
    const place = kept === undefined ? -1 : rows.indexOf(kept);
    kept?.element.before(...wanted.slice(0, place));
    this.#body.append(...wanted.slice(place + 1));
  }
}

/** One agent's row. */
class Row {
  readonly element = element("tr", { role: "row" });
  readonly #cells: ReadonlyMap<Column, HTMLElement>;
  readonly #cause = element("small");
  readonly #stop: HTMLButtonElement;

  constructor(
    readonly session: string,
    onStop: Events["onStop"],
  ) {
    this.#cells = new Map(COLUMNS.map((column) => [column, element("span")]));
    for (const [{ field, kind, title }, content] of this.#cells) {
      const isHeader = field === "session";
      const attributes = {
        role: isHeader ? "rowheader" : "cell",
        class: `${kind} ${field}`,
        "data-title": title,
      };
      const cell = element(isHeader ? "th" : "td", attributes, content);
      if (isHeader) cell.setAttribute("scope", "row");
      if (field === "state") cell.append(this.#cause);
      this.element.append(cell);
    }
    this.#stop = element(
      "button",
      { type: "button", class: "stop", "aria-label": `Stop ${session}` },
      "Stop",
    );
    this.#stop.addEventListener("click", () => {
      if (this.#stop.ariaDisabled !== "true") onStop(session, this.#stop);
    });
    this.element.append(element("td", { role: "cell", class: "action" }, this.#stop));
  }

  /** Shows an agent. The stop button of a stopped one stays as long as it has the focus. */
  show(agent: Agent, now: number, held: Element | null): void {
    for (const [{ field, kind }, content] of this.#cells) {
      const value = agent[field];
      write(content, textOf(value, kind, now));
      if (kind === "time" && value !== undefined) content.title = moment(String(value));
    }
    this.element.setAttribute("data-state", agent.state);
    const stopped = agent.stopped_at === undefined ? undefined : ago(agent.stopped_at, now);
    write(this.#cause, [stopped, agent.cause].filter((text) => text !== undefined).join(": "));
    this.#stop.ariaDisabled = String(agent.state === "stopped");
    this.#stop.hidden = agent.state === "stopped" && this.#stop !== held;
  }
}

function textOf(value: string | number | undefined, kind: Column["kind"], now: number): string {
  if (value === undefined) return "–";
  if (typeof value === "number") return count(value);
  return kind === "time" ? ago(value, now) : value;
}
