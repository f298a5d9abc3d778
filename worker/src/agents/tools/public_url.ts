import ipaddr from "ipaddr.js";
import { ToolError } from "./tool_error.ts";

/** Names that resolve inside a network, never on the public internet. */
const PRIVATE_NAMES = [
  "localhost",
  "local",
  "internal",
  "intranet",
  "private",
  "lan",
  "home",
  "corp",
  "home.arpa",
];

/**
 * The URL, when its host is public by its spelling. Throws ToolError otherwise.
 *
 * URL parsing comes first: it turns `0x7f.1`, `2130706433` and `127.1` into `127.0.0.1`, full-width letters and
 * per cent escapes into plain ones. What a name resolves to is not seen here.
 */
export function publicUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (!url) throw new ToolError("this is not an absolute URL");
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new ToolError("only http and https URLs are fetched");
  if (url.username || url.password)
    throw new ToolError("a URL with a user or a password in it is not fetched");
  if (!isPublicHost(url.hostname)) throw new ToolError("only public hosts are fetched, and this one is not");
  return url;
}

/** Whether a URL's `hostname` is a public IP address, or a name with a public ending. */
export function isPublicHost(hostname: string): boolean {
  const host = hostname.replace(/\.+$/, "");
  if (host.startsWith("[")) return isPublicAddress(host.slice(1, -1));
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return isPublicAddress(host);
  const isPrivate = PRIVATE_NAMES.some((name) => host === name || host.endsWith(`.${name}`));
  return host.includes(".") && !isPrivate;
}

/** Public means what the registries call global unicast; every form that carries an IPv4 address inside IPv6 is not. */
function isPublicAddress(text: string): boolean {
  const address = ipaddr.parse(text);
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4" || address.match(ipaddr.parse("2000::"), 3);
}
