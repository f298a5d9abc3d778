import assert from "node:assert/strict";
import { test } from "node:test";
import { publicUrl } from "../../../src/agents/tools/public_url.ts";
import { ToolError } from "../../../src/agents/tools/tool_error.ts";

const PUBLIC = [
  "https://example.com",
  "http://example.com:8080/a?b=c#d",
  "https://EXAMPLE.com./",
  "http://1.1.1.1/",
  "http://0x01010101/",
  "http://[2606:4700:4700::1111]/",
  "https://xn--bcher-kva.com/",
  "https://bücher.рф/",
  "https://例え.コム/",
  "https://example.zip/",
  "https://localhost.example.com/",
  "https://internal.example.com/",
  "https://169.254.169.254.example.com/",
  "http://100.63.255.255/",
  "http://172.32.0.1/",
];

const PRIVATE = [
  // Loopback, in every spelling that URL parsing understands.
  "http://127.0.0.1/",
  "http://127.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.0.0.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://127.0.0.1./",
  "http://１２７.０.０.１/",
  "http://%31%32%37.0.0.1/",
  "http://127。0。0。1/",
  "http://[::1]/",
  "http://[0:0:0:0:0:0:0:1]/",
  "http://localhost/",
  "http://LOCALHOST./",
  "http://a.localhost/",
  "http://ｌocalhost/",
  // Private, link-local, shared, multicast, reserved.
  "http://0.0.0.0/",
  "http://10.0.0.1/",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.168.1.1/",
  "http://169.254.169.254/latest/meta-data/",
  "http://100.64.0.1/",
  "http://100.127.255.255/",
  "http://192.0.0.1/",
  "http://198.18.0.1/",
  "http://224.0.0.1/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  "http://[::]/",
  "http://[fc00::1]/",
  "http://[fd12:3456::1]/",
  "http://[fe80::1]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://[2001:db8::1]/",
  "http://[100::1]/",
  "http://[4000::1]/",
  // IPv4 inside IPv6.
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::ffff:8.8.8.8]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[64:ff9b::8.8.8.8]/",
  "http://[64:ff9b:1::1]/",
  "http://[2002:7f00:1::]/",
  "http://[2001:0:53aa:64c:0:fbff:80ff:fffe]/",
  // Names of private networks.
  "http://intranet/",
  "http://printer.local/",
  "http://metadata.google.internal/",
  "http://nas.lan/",
  "http://box.home.arpa/",
  "http://vault.corp/",
  "http://localhost.localdomain/",
  "http://localhost6.localdomain6/",
  "http://api.default.svc/",
  "http://api.default.svc.cluster.local/",
  "http://app.test/",
  "http://app.invalid/",
  "http://app.example/",
  "http://db.service.consul/",
  "http://hidden.onion/",
  "http://host.docker/",
  "http://my.router/",
  "http://pc.workgroup/",
  "http://1.0.0.127.in-addr.arpa/",
  "http://host.xn--unknown-9za/",
  // Public names that lead inside.
  "http://127.0.0.1.nip.io/",
  "http://app.10-0-0-1.sslip.io/",
  "http://localtest.me/",
  "http://app.lvh.me./",
  "http://pc.tail1234.ts.net/",
  "http://fritz.box/",
  "http://7f000001.c0a80001.rbndr.us/",
  "http://app.localho.st/",
  // Metadata of clouds.
  "http://168.63.129.16/",
  "http://0xa83f8110/",
  "http://100.100.100.200/",
  "http://192.0.0.192/",
  "http://[fd00:ec2::254]/",
  "http://instance-data.ec2.internal/",
  // Not http, or with credentials.
  "ftp://example.com/",
  "file:///etc/passwd",
  "data:text/plain,hello",
  "javascript:alert(1)",
  "http://user@example.com/",
  "http://user:password@example.com/",
  "http://:password@example.com/",
  "http://example.com@127.0.0.1/",
  // Not URLs.
  "",
  "example.com",
  "//example.com/",
  "http://",
  "http://[::1",
  "http://1.2.3.4.5/",
  "http://256.256.256.256/",
];

for (const url of PUBLIC) {
  test(`accepts ${url}`, () => {
    assert.ok(publicUrl(url));
  });
}

for (const url of PRIVATE) {
  test(`refuses ${url || "an empty text"}`, () => {
    assert.throws(() => publicUrl(url), ToolError);
  });
}

test("resolves a redirect against the page that sent it", () => {
  const base = publicUrl("https://example.com/a/b");
  assert.equal(publicUrl("../c", base).href, "https://example.com/c");
  assert.throws(() => publicUrl("//127.0.0.1/", base), ToolError);
});
