import ipaddr from "ipaddr.js";
import tlds from "tlds" with { type: "json" };
import { ToolError } from "./tool_error.ts";

/** The top-level domains of the public root, as URLs spell them. Any other name belongs to some inner network. */
const PUBLIC_ROOT: ReadonlySet<string> = new Set(
  tlds.map((name) => (/^[a-z]+$/.test(name) ? name : new URL(`http://${name}/`).hostname)),
);

/**
 * Zones below the public root whose names lead to the local machine or network: reverse names and `home.arpa`, names
 * with an address in them or for loopback, mesh networks, and what home routers call themselves.
 */
const PRIVATE_ZONES = [
  "arpa",
  "nip.io",
  "sslip.io",
  "xip.io",
  "traefik.me",
  "plex.direct",
  "localhost.direct",
  "localtest.me",
  "local.gd",
  "lvh.me",
  "vcap.me",
  "lacolhost.com",
  "localho.st",
  "fuf.me",
  "rbndr.us",
  "1u.ms",
  "ts.net",
  "beta.tailscale.net",
  "fritz.box",
  "routerlogin.com",
  "routerlogin.net",
  "tplinklogin.net",
  "tplinkwifi.net",
];

/**
 * The URL, if its host is public by its spelling. Throws ToolError otherwise.
 *
 * Parsing comes first: it turns `0x7f.1`, `2130706433` and `127.1` into `127.0.0.1`, and full-width letters and percent
 * escapes into plain ones. What a name resolves to is not visible here.
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

/** Whether the `hostname` of a URL is a public IP address or a name below the public root. */
function isPublicHost(hostname: string): boolean {
  const host = hostname.replace(/\.+$/, "");
  if (host.startsWith("[")) return isPublicAddress(host.slice(1, -1));
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return isPublicAddress(host);
  const root = host.slice(host.lastIndexOf(".") + 1);
  if (root === host || !PUBLIC_ROOT.has(root)) return false;
  return !PRIVATE_ZONES.some((zone) => host === zone || host.endsWith(`.${zone}`));
}

/** Global unicast, but answered by the cloud that runs the machine: Azure's platform. */
const PLATFORM_ADDRESS = "168.63.129.16";

/** Public means global unicast by the registries, and not an IPv6 address with an IPv4 address inside. */
function isPublicAddress(text: string): boolean {
  const address = ipaddr.parse(text);
  if (text === PLATFORM_ADDRESS) return false;
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4" || address.match(ipaddr.parse("2000::"), 3);
}
