import { part, say, write } from "./dom.ts";

const dialog = part("ask", HTMLDialogElement);
const name = part("ask-session", HTMLElement);
const error = part("ask-error", HTMLElement);
const confirm = part("stop", HTMLButtonElement);

/** What became of an attempt to stop an agent, in words for the user. */
export interface Outcome {
  readonly isDone: boolean;
  readonly message: string;
}

/** Asks before an agent is stopped. */
export class StopDialog {
  readonly #stop: (session: string) => Promise<Outcome>;
  readonly #stopping = new Set<string>();
  #session = "";
  #opener: HTMLElement | undefined;

  /** `stop` is called once the user has confirmed. */
  constructor(stop: (session: string) => Promise<Outcome>) {
    this.#stop = stop;
    confirm.addEventListener("click", () => this.#confirm());
    part("cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
  }

  /** The element that gets the focus back when the dialog closes; undefined while it is closed. */
  get opener(): HTMLElement | undefined {
    return dialog.open ? this.#opener : undefined;
  }

  ask(session: string, opener: HTMLElement): void {
    this.#session = session;
    this.#opener = opener;
    write(name, session);
    write(error, "");
    this.#label();
    dialog.showModal();
  }

  close(): void {
    dialog.close();
  }

  async #confirm(): Promise<void> {
    const session = this.#session;
    if (this.#stopping.has(session)) return;
    this.#stopping.add(session);
    this.#label();
    const { isDone, message } = await this.#stop(session);
    this.#stopping.delete(session);
    this.#label();
    const isShown = dialog.open && session === this.#session;
    if (isShown && !isDone) return write(error, message);
    // A live region outside of an open dialog is not read.
    if (isShown) dialog.close();
    say(message);
  }

  #label(): void {
    write(confirm, this.#stopping.has(this.#session) ? "Stopping…" : "Stop agent");
  }
}
