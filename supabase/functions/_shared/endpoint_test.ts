import { deepStrictEqual as same, ok } from "node:assert/strict";
import { endpoint } from "./endpoint.ts";
import { post, TOKEN, world } from "./testing.ts";

const silent = world(() => ({ json: null }));
const echo = endpoint((body) => Promise.resolve({ body }), { world: silent });

async function errorOf(response: Response): Promise<[number, string, string | undefined]> {
  const { error } = await response.json();
  ok(error.message.length > 0);
  return [response.status, error.code, error.field];
}

Deno.test("a POST with a token gets what the work answers", async () => {
  const response = await echo(post({ a: 1 }));
  same([response.status, await response.json()], [200, { body: { a: 1 } }]);
});

Deno.test("the work is told the last part of the address", async () => {
  const path = endpoint((_body, _call, path) => Promise.resolve({ path }), { world: silent });
  for (
    const [address, last] of [["any", "any"], ["any/preview", "preview"], ["any/apply/", "apply"]]
  ) {
    const request = new Request(`http://project.test/functions/v1/${address}`, post({}));
    same(await (await path(request)).json(), { path: last });
  }
});

Deno.test("with GET allowed, what comes without a body has an empty one, and the address is told", async () => {
  const both = endpoint(
    (body, _call, path, { method, url }) =>
      Promise.resolve({ body, path, method, search: url.search }),
    { world: silent, methods: ["GET", "POST"] },
  );
  const headers = { authorization: `Bearer ${TOKEN}` };
  const address = "http://project.test/functions/v1/any/one?action=feed";
  for (const method of ["GET", "POST"]) {
    const response = await both(new Request(address, { method, headers }));
    same(await response.json(), { body: {}, path: "one", method, search: "?action=feed" });
  }
  const refused = await both(new Request(address, { method: "PUT", headers }));
  same(await errorOf(refused), [405, "method_not_allowed", undefined]);
  same(refused.headers.get("allow"), "GET, POST, OPTIONS");
});

Deno.test("so many requests of a token are answered at a time, and those of others too", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const slow = endpoint(() => promise, { world: silent, atOnce: 2 });
  const first = [slow(post({})), slow(post({}))];
  same(await errorOf(await slow(post({}))), [429, "too_many_jobs", undefined]);
  first.push(slow(post({}, { authorization: "Bearer another.users.token" })));
  resolve({});
  for (const response of await Promise.all(first)) same(await response.json(), {});
  same((await slow(post({}))).status, 200);
});

Deno.test("a preflight is answered without a token", async () => {
  const response = await echo(new Request("http://project.test/", { method: "OPTIONS" }));
  same(response.status, 204);
  same(response.headers.get("access-control-allow-origin"), "*");
  same(response.headers.get("access-control-allow-methods"), "POST, OPTIONS");
  ok(response.headers.get("access-control-allow-headers")?.includes("authorization"));
});

Deno.test("with a list of origins only those are let in", async () => {
  const listed = world(() => ({ json: null }), {
    KIZU_ALLOWED_ORIGINS: "https://a.test, https://b.test",
  });
  const handle = endpoint(() => Promise.resolve({}), { world: listed });
  const allowed = async (origin: string) =>
    (await handle(post({}, { origin }))).headers.get("access-control-allow-origin");
  same(await allowed("https://b.test"), "https://b.test");
  same(await allowed("https://evil.test"), null);
});

Deno.test("an error carries the CORS headers too, so that the app can read it", async () => {
  const response = await echo(post("{"));
  same(response.headers.get("access-control-allow-origin"), "*");
  await response.body?.cancel();
});

Deno.test("other methods are refused with what is allowed", async () => {
  const response = await echo(new Request("http://project.test/"));
  same(response.headers.get("allow"), "POST, OPTIONS");
  same(await errorOf(response), [405, "method_not_allowed", undefined]);
});

for (const header of ["", "Bearer", "Bearer sb_publishable_x", "Basic a.b.c", "Bearer a.b"]) {
  Deno.test(`no user's token is found in "${header}"`, async () => {
    const response = await echo(post({}, { authorization: header }));
    same(response.headers.get("www-authenticate"), "Bearer");
    same(await errorOf(response), [401, "unauthorized", undefined]);
  });
}

Deno.test("a body that is not JSON is named", async () => {
  same(await errorOf(await echo(post("kind=image_ai"))), [400, "bad_params", "body"]);
  same(await errorOf(await echo(post(""))), [400, "bad_params", "body"]);
});

Deno.test("a body is read no further than its limit", async () => {
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(new Uint8Array(16 * 1024));
    },
  });
  const request = new Request("http://project.test/", {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: endless,
  });
  same(await errorOf(await echo(request)), [413, "too_large", "body"]);
  ok(pulled < 10, `read ${pulled} chunks`);
});

Deno.test("an unforeseen error says nothing of its cause", async () => {
  const broken = endpoint(() => Promise.reject(new Error("secret detail")), { world: silent });
  const log = console.error;
  console.error = () => {};
  try {
    const response = await broken(post({}));
    const text = await response.text();
    same([response.status, text.includes("secret")], [500, false]);
  } finally {
    console.error = log;
  }
});
