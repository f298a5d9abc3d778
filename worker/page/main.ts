import { type Failure, Refusal, stop } from "./api.ts";
import { part, write } from "./dom.ts";
import { Login } from "./login.ts";
import { Overview } from "./overview.ts";
import { type Outcome, StopDialog } from "./stop_dialog.ts";
import { remember, remembered } from "./token.ts";
import { Watch } from "./watch.ts";

const title = part("title", HTMLElement);
const forget = part("forget", HTMLButtonElement);
const problem = part("problem", HTMLElement);

const watch = new Watch({
  onListing(listing) {
    write(problem, "");
    if (login.isOpen) logIn();
    overview.show(listing);
  },
  onFailure(failure) {
    if (failure instanceof Refusal) askForToken();
    else write(problem, `Cannot update, trying again: ${failure.message}`);
  },
});
const login = new Login((token) => {
  watch.token = token;
  void watch.look();
});
const overview = new Overview({
  onQuery(query, pages) {
    watch.query = query;
    watch.pages = pages;
    void watch.look();
  },
  onStop: (session, button) => dialog.ask(session, button),
  held: () => dialog.opener ?? document.activeElement,
});
const dialog = new StopDialog(async (session): Promise<Outcome> => {
  try {
    const wasRunning = await stop(watch.token, session);
    void watch.look();
    return { isDone: true, message: wasRunning ? `Stopped ${session}` : `${session} was not running` };
  } catch (failure) {
    if (failure instanceof Refusal) askForToken();
    return { isDone: false, message: `${session} was not stopped: ${(failure as Failure).message}` };
  }
});

forget.addEventListener("click", () => {
  remember("");
  location.reload();
});

part("about", HTMLElement).hidden = true;
watch.token = remembered();
if (watch.token === "" && document.documentElement.getAttribute("data-auth") === "token") askForToken();
else {
  openOverview();
  void watch.look();
}

function openOverview(): void {
  forget.hidden = watch.token === "";
  overview.open();
}

function logIn(): void {
  remember(watch.token);
  login.close();
  openOverview();
  title.focus();
}

/** Forgets the token, if there was one, and all that it showed. */
function askForToken(): void {
  watch.pause();
  const fault = watch.token === "" ? "" : "This is not the token of this Worker.";
  watch.token = "";
  remember("");
  overview.close();
  dialog.close();
  forget.hidden = true;
  // Like the executor, which sends a token over https or to loopback only.
  if (isSecureContext) login.ask(fault);
  write(
    problem,
    isSecureContext ? "" : `A token entered here could be read on its way: open https://${location.host}/`,
  );
}
