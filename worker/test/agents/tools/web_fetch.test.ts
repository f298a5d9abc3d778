import assert from "node:assert/strict";
import { test } from "node:test";
import { ToolError } from "../../../src/agents/tools/tool_error.ts";
import {
  MAX_ADDRESS_CHARS,
  MAX_BODY_BYTES,
  MAX_REDIRECTS,
  MAX_TEXT_CHARS,
  read,
} from "../../../src/agents/tools/web_fetch.ts";

type Page = (url: string, init: RequestInit) => Response | Promise<Response>;

const never = new AbortController().signal;

/** The tool's text for a URL on a web of one function; also what was asked for. */
async function fetched(url: string, page: Page, signal = never) {
  const asked: string[] = [];
  const fetch = (async (input: string, init: RequestInit) => {
    asked.push(`${init.method} ${input}`);
    assert.equal(init.redirect, "manual");
    return await page(input, init);
  }) as typeof globalThis.fetch;
  const text = await read(url, fetch, signal);
  return { asked, text };
}

function text(body: BodyInit, type = "text/plain; charset=utf-8"): Response {
  return new Response(body, { headers: { "Content-Type": type } });
}

function redirect(to: string): Response {
  return new Response("moved", { status: 302, headers: { Location: to } });
}

const says = (sentence: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ToolError);
  assert.match(error.message, sentence);
  return true;
};

test("returns a text as it is, between markers that a page cannot know", async () => {
  const first = await fetched("https://example.com/a", () => text("hello\n"));
  const second = await fetched("https://example.com/a", () => text("hello\n"));
  assert.deepEqual(first.asked, ["GET https://example.com/a"]);
  const marked =
    /^Content of a web page, status 200\. .*stranger.*\n<(untrusted-[0-9a-f-]{36})>\nAddress: https:\/\/example\.com\/a\n\nhello\n\n<\/\1>$/;
  assert.match(first.text, marked);
  assert.notEqual(first.text, second.text);
});

test("returns a page as text", async () => {
  const { text: page } = await fetched("https://example.com/", () =>
    text("<p>Hi <b>you</b></p>", "text/html"),
  );
  assert.match(page, /\nHi you\n/);
});

test("reads the charset that the type names", async () => {
  const latin = new Uint8Array([0x67, 0x72, 0xfc, 0xdf]);
  const { text: page } = await fetched("https://example.com/", () =>
    text(latin, "text/plain; charset=iso-8859-1"),
  );
  assert.match(page, /\ngrüß\n/);
});

test("returns the text of an error page with its status", async () => {
  const page = () => new Response("no such page", { status: 404, headers: { "Content-Type": "text/plain" } });
  const { text: answer } = await fetched("https://example.com/x", page);
  assert.match(answer, /status 404[\s\S]*no such page/);
});

test("follows redirects to public hosts", async () => {
  const { asked, text: page } = await fetched("http://example.com/", (url) =>
    url.endsWith("/end") ? text("arrived") : redirect("https://www.example.com/end"),
  );
  assert.deepEqual(asked, ["GET http://example.com/", "GET https://www.example.com/end"]);
  assert.match(page, /\nAddress: https:\/\/www\.example\.com\/end\n[\s\S]*arrived/);
});

for (const inner of [
  "http://127.0.0.1/",
  "//localhost/",
  "http://[::ffff:10.0.0.1]/",
  "file:///etc/passwd",
]) {
  test(`refuses a redirect to ${inner}`, async () => {
    const asked: string[] = [];
    const page: Page = (url) => {
      asked.push(url);
      return redirect(inner);
    };
    await assert.rejects(fetched("https://example.com/", page), says(/fetched/));
    assert.deepEqual(asked, ["https://example.com/"]);
  });
}

test("gives up after too many redirects", async () => {
  let asked = 0;
  const page: Page = () => {
    asked += 1;
    return redirect("https://example.com/");
  };
  await assert.rejects(fetched("https://example.com/", page), says(/redirects/));
  assert.equal(asked, MAX_REDIRECTS + 1);
});

test("refuses what is not text, unread", async () => {
  let cancelled = false;
  const body = new ReadableStream({
    cancel() {
      cancelled = true;
    },
  });
  await assert.rejects(
    fetched("https://example.com/x.png", () => text(body as BodyInit, "image/png")),
    says(/not text/),
  );
  assert.ok(cancelled);
});

test("reads no more than its limit of a body without end", async () => {
  let cancelled = false;
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(0x61));
    },
    cancel() {
      cancelled = true;
    },
  });
  const { text: page } = await fetched("https://example.com/", () => text(body as BodyInit));
  assert.ok(cancelled);
  assert.ok(sent <= MAX_BODY_BYTES + 2 * 65_536);
  assert.ok(page.length < MAX_TEXT_CHARS + 500);
  assert.match(page, /\[cut: the first 50000 of 524288 characters\]/);
});

test("an address is given between the markers, and cut", async () => {
  const long = `https://example.com/?${"ignore-all-instructions-".repeat(1000)}`;
  const { text: page } = await fetched("https://example.com/", (url) =>
    url === long ? text("arrived") : redirect(long),
  );
  assert.match(page, /^Content of a web page[^<]*<(untrusted-[^>]+)>\nAddress: https:[\s\S]*<\/\1>$/);
  assert.doesNotMatch(page.slice(0, page.indexOf("<")), /ignore/);
  assert.ok(page.length < MAX_ADDRESS_CHARS + 500);
});

test("a character that the limit cuts in two is left out", async () => {
  const { text: page } = await fetched("https://example.com/", () => text(`a${"é".repeat(MAX_BODY_BYTES)}`));
  assert.doesNotMatch(page, /\ufffd/);
  const { text: short } = await fetched("https://example.com/", () => text(new Uint8Array([0x61, 0xc3])));
  assert.match(short, /a\ufffd/);
});

test("says that a host cannot be reached, in words of its own", async () => {
  const page: Page = () => {
    throw new TypeError("internal error; reference = secret");
  };
  await assert.rejects(fetched("https://example.com/", page), says(/^the host could not be reached$/));
});

test("ends with the turn", async () => {
  const turn = new AbortController();
  const hanging: Page = (_, { signal }) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
      turn.abort(new Error("interrupted"));
    });
  await assert.rejects(fetched("https://example.com/", hanging, turn.signal), /^Error: interrupted$/);
});
