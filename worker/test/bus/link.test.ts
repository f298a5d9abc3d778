import assert from "node:assert/strict";
import { test } from "node:test";
import { frameOf } from "../../src/bus/frames.ts";
import { type Incoming, Link } from "../../src/bus/link.ts";
import type { Wire, WireEvents } from "../../src/bus/wire.ts";

const INFO = 'INFO {"headers":true,"max_payload":1024,"nonce":"n"}\r\n';
const encoder = new TextEncoder();

/** A link whose other end is the test. */
function linked() {
  let written = "";
  let isOpen = true;
  let events: WireEvents | undefined;
  const wire = {
    start: (handlers: WireEvents) => {
      events = handlers;
    },
    write: (text: string) => {
      written += text;
    },
    close: () => {
      isOpen = false;
    },
    get isOpen() {
      return isOpen;
    },
  } as Partial<Wire> as Wire;
  const heard: string[] = [];
  const authenticator = (nonce?: string) => ({ auth_token: `signed ${nonce}` });
  const link = new Link(wire, { name: "me", lang: "test", version: "1.2.3" }, authenticator, {
    complained: (text) => heard.push(text),
    ended: () => heard.push("ended"),
  });
  const receive = (text: string, size = text.length) => {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length; at += size) events?.received(bytes.slice(at, at + size));
  };
  const take = () => {
    const text = written;
    written = "";
    return text;
  };
  return { link, receive, take, heard, end: () => events?.ended() };
}

test("it introduces itself once, and is ready at the answer to its ping", async () => {
  const { link, receive, take } = linked();
  receive(INFO);
  const [connect = "", ping] = take().split("\r\n");
  const { auth_token, name, headers, verbose } = JSON.parse(connect.slice("CONNECT ".length));
  assert.deepEqual([auth_token, name, headers, verbose], ["signed n", "me", true, false]);
  assert.equal(ping, "PING");
  receive("PONG\r\n");
  await link.ready;
  receive(INFO.replace("1024", "512"));
  assert.equal(take(), "");
  assert.equal(link.info?.max_payload, 512);
});

test("messages arrive whole and in order, however they are cut", () => {
  const body = "é\r\nMSG a 1 2\r\n";
  const bytes = encoder.encode(body).length;
  const stream = `MSG a.b 1 _INBOX.x ${bytes}\r\n${body}\r\nPING\r\nHMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nMSG c 1 0\r\n\r\n`;
  for (const size of [1, 2, 3, 7, stream.length]) {
    const { link, receive, take } = linked();
    const got: string[][] = [];
    const read = ({ subject, reply, data }: Incoming) =>
      got.push([subject, reply, new TextDecoder().decode(data)]);
    link.subscribe("a.>", read, { queue: "group" });
    assert.equal(take(), "SUB a.> group 1\r\n");
    receive(stream, size);
    assert.deepEqual(got, [
      ["a.b", "_INBOX.x", body],
      ["a", "", "hi"],
      ["c", "", ""],
    ]);
    assert.equal(take(), "PONG\r\n");
  }
});

test("what is expected once is delivered once", () => {
  const { link, receive, take } = linked();
  const got: boolean[] = [];
  const end = link.expect("a", ({ isFromNobody }) => got.push(isFromNobody));
  assert.equal(take(), "SUB a 1\r\n");
  receive("HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nMSG a 1 0\r\n\r\n");
  assert.deepEqual(got, [true]);
  end();
  assert.equal(take(), "UNSUB 1\r\n");
});

test("a subscription ends once", () => {
  const { link, receive, take } = linked();
  const got: string[] = [];
  const subscription = link.subscribe("a", ({ subject }) => got.push(subject));
  take();
  subscription.close();
  subscription.close();
  receive("MSG a 1 0\r\n\r\n");
  assert.equal(take(), "UNSUB 1\r\n");
  assert.deepEqual(got, []);
});

test("a subscription that is drained still gets what is on its way", async () => {
  const { link, receive, take } = linked();
  const got: string[] = [];
  const subscription = link.subscribe("a", ({ subject }) => got.push(subject));
  take();
  subscription.drain();
  assert.equal(take(), "UNSUB 1\r\nPING\r\n");
  receive("MSG a 1 0\r\n\r\nPONG\r\n");
  await Promise.resolve();
  receive("MSG b 1 0\r\n\r\n");
  assert.deepEqual(got, ["a"]);
  subscription.close();
  assert.equal(take(), "");
});

test("a limit is told with the subscription, and changed", () => {
  const { link, take } = linked();
  const subscription = link.subscribe("a", () => undefined, { queue: "group", limit: 500 });
  assert.equal(take(), "SUB a group 1\r\nUNSUB 1 500\r\n");
  subscription.limit(4);
  assert.equal(take(), "UNSUB 1 4\r\n");
});

test("the size of a message is known before all of it is here", () => {
  const { link, receive } = linked();
  const got: (number | string)[] = [];
  link.subscribe("a", ({ subject }) => got.push(subject), { arriving: (bytes) => got.push(bytes) });
  receive(`MSG a 1 2\r\nhi\r\nMSG a 1 1000\r\n${"x".repeat(400)}`);
  assert.deepEqual(got, ["a", 1000]);
  receive("x".repeat(400));
  receive(`${"x".repeat(200)}\r\nMSG a 2 1000\r\n`);
  assert.deepEqual(got, ["a", 1000, 1000, "a"]);
});

test("frames and requests are published in the protocol's form", () => {
  const { link, take } = linked();
  link.publish(frameOf("ü", "é"));
  link.publish(frameOf("a", "x", "NATS/1.0\r\nA: é\r\n\r\n"));
  link.request("a", "b");
  assert.equal(take(), "PUB ü 2\r\né\r\nHPUB a 19 20\r\nNATS/1.0\r\nA: é\r\n\r\nx\r\nPUB a b 0\r\n\r\n");
});

test("a fault in the handling of a message affects no other", () => {
  const { warn } = console;
  const logged: unknown[] = [];
  console.warn = (line: unknown) => logged.push(line);
  const { link, receive, heard } = linked();
  const got: string[] = [];
  link.subscribe("a", ({ subject }) => {
    got.push(subject);
    if (got.length === 1) throw new Error("secret");
  });
  receive("MSG a 1 0\r\n\r\nMSG b 1 0\r\n\r\n");
  assert.deepEqual(got, ["a", "b"]);
  assert.deepEqual(heard, []);
  console.warn = warn;
  assert.equal(logged.length, 1);
  assert.doesNotMatch(String(logged[0]), /secret/);
});

test("errors of the server are passed on, and nonsense ends the link", async () => {
  const { link, receive, heard } = linked();
  receive("-ERR 'no'\r\n");
  const pong = link.ping();
  receive("HTTP/1.1 400\r\n");
  assert.deepEqual(heard, ["'no'", "ended"]);
  assert.ok(!link.isOpen);
  await pong;
});

test("a command without end ends the link; a long message does not", () => {
  for (const begun of ["PONG", "-ERR ", "INFO {", "MSG a 1 0\r\n"]) {
    const { receive, heard } = linked();
    receive(INFO + begun);
    receive("x".repeat(300_000), 4096);
    assert.equal(heard.at(-1), "ended", begun);
  }
  const { link, receive, heard } = linked();
  receive(INFO);
  let size = 0;
  link.subscribe("a", ({ data }) => {
    size = data.length;
  });
  receive(`MSG a 1 300000\r\n${"x".repeat(300_000)}\r\n`, 4096);
  assert.equal(size, 300_000);
  assert.ok(!heard.includes("ended"));
});
