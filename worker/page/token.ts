/** Where the token is kept: until the tab is closed, and for this origin only. */
const KEY = "orch-cf-agent-token";

/** The token that was entered in this tab; empty if there is none, or the browser stores nothing. */
export function remembered(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

/** Keeps a token, or forgets it if it is empty. A browser that stores nothing asks again after a reload. */
export function remember(token: string): void {
  try {
    if (token === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // Not allowed by the browser's settings.
  }
}
