import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fault, faultOf } from "../src/errors.ts";
import { type Route, routeOf } from "../src/routes.ts";

function read(method: string, path: string, accept: string | null = null): Route | Fault {
  try {
    return routeOf(method, new URL(path, "http://worker.example"), accept);
  } catch (thrown) {
    return faultOf(thrown);
  }
}

test("each route is known by method and path", () => {
  assert.deepEqual(read("GET", "/health"), { to: "health" });
  assert.deepEqual(read("GET", "/agents?owner=ann"), { to: "list", query: { owner: "ann" } });
  assert.deepEqual(read("POST", "/agent/a"), { to: "start", session: "a" });
  assert.deepEqual(read("GET", "/agent/%C3%BC%2Fb"), { to: "status", session: "ü/b" });
  assert.deepEqual(read("POST", "/control/abort"), { to: "abort-all" });
  assert.deepEqual(read("POST", "/control/abort/a?cap=x"), { to: "abort", session: "a", capability: "x" });
});

test("the root is a page for those who accept HTML, and nothing for others", () => {
  assert.deepEqual(read("GET", "/", "text/html"), { to: "page" });
  assert.deepEqual(read("HEAD", "/", "text/html"), { to: "page" });
  for (const accept of [null, "*/*"]) {
    assert.equal((read("GET", "/", accept) as Fault).code, "not_found");
  }
  assert.equal((read("GET", "/health/", "text/html") as Fault).code, "not_found");
});

test("a session is decoded once", () => {
  assert.deepEqual(read("GET", "/agent/%2525"), { to: "status", session: "%25" });
});

test("names that objects inherit are not methods", () => {
  for (const method of ["constructor", "toString", "__proto__", "OPTIONS"]) {
    assert.equal(
      "code" in read(method, "/health") && (read(method, "/health") as Fault).code,
      "method_not_allowed",
    );
  }
});
