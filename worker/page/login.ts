import { part, write } from "./dom.ts";

const form = part("login", HTMLFormElement);
const input = part("token", HTMLInputElement);
const error = part("token-error", HTMLElement);

/** Asks for the token. */
export class Login {
  constructor(onToken: (token: string) => void) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = input.value.trim();
      if (/^[\x21-\x7e]+$/.test(token)) onToken(token);
      else this.ask("A token consists of visible ASCII characters, without white space.");
    });
  }

  get isOpen(): boolean {
    return !form.hidden;
  }

  /** Shows the form, and what was wrong with the previous token. */
  ask(fault: string): void {
    form.hidden = false;
    write(error, fault);
    input.ariaInvalid = String(fault !== "");
    input.focus();
    input.select();
  }

  close(): void {
    form.hidden = true;
    input.value = "";
  }
}
