import { deepStrictEqual as equal, strictEqual as same } from "node:assert";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { admitted, isDisguised, MOST_BYTES } from "./admission.ts";
import { Tokens } from "./tokens.ts";

const SECRET = "s".repeat(32);
const pair = await generateKeyPair("ES256", { extractable: true });
const key = { ...await exportJWK(pair.privateKey), kid: "one" };
const ACCESS = {
  tokens: await Tokens.with([key], SECRET),
  keyClaims: (key: string) => Promise.resolve(key === "sb_key" ? { role: "anon" } : null),
};

async function token(secret = SECRET, expires = "1h"): Promise<string> {
  return await new SignJWT({ role: "authenticated" }).setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(expires).sign(new TextEncoder().encode(secret));
}

async function sent(path: string, headers: Record<string, string>, length = 100) {
  const seen = { asked: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (seen.asked * 100 >= length) return controller.close();
      seen.asked++;
      controller.enqueue(new Uint8Array(100));
    },
    cancel() {
      seen.cancelled = true;
    },
  }, { highWaterMark: 0 });
  const request = new Request(`http://localhost${path}`, { method: "POST", body, headers });
  return { answer: await admitted(request, ACCESS), seen };
}

Deno.test("a body of someone unknown is dropped unread, as each service says it", async () => {
  const cases: [string, Record<string, string>, number, string][] = [
    ["/rest/v1/rpc/x", {}, 401, "No API key found in request"],
    ["/rest/v1/rpc/x", { apikey: "wrong" }, 401, "Invalid API key"],
    ["/rest/v1/rpc/x", { apikey: "sb_key", authorization: "Bearer x" }, 401, "PGRST301"],
    [
      "/rest/v1/rpc/x",
      { apikey: "sb_key", authorization: `Bearer ${await token("f".repeat(32))}` },
      401,
      "PGRST301",
    ],
    [
      "/rest/v1/rpc/x",
      { apikey: "sb_key", authorization: `Bearer ${await token(SECRET, "-1h")}` },
      401,
      "PGRST303",
    ],
    ["/auth/v1/token?grant_type=password", {}, 401, "No API key found in request"],
    ["/auth/v1/signup", { apikey: "wrong" }, 401, "Invalid API key"],
    ["/storage/v1/bucket", {}, 400, "Invalid Compact JWS"],
    ["/storage/v1/bucket", { authorization: "Bearer a.b.c" }, 400, "Invalid Compact JWS"],
    ["/nothing", {}, 404, "404"],
  ];
  for (const [path, headers, status, text] of cases) {
    const { answer, seen } = await sent(path, headers);
    if (!(answer instanceof Response)) throw new Error(`${path} was let in`);
    same(answer.status, status, path);
    same((await answer.text()).includes(text), true, path);
    equal(seen, { asked: 0, cancelled: true }, path);
  }
});

Deno.test("whoever is known is let in with the body as it was sent", async () => {
  const known = { apikey: "sb_key", authorization: `Bearer ${await token()}` };
  for (const path of ["/rest/v1/rpc/x", "/auth/v1/signup", "/storage/v1/bucket"]) {
    const { answer } = await sent(path, known);
    if (!(answer instanceof Request)) throw new Error(`${path} was refused`);
    same((await answer.bytes()).byteLength, 100);
    same(answer.headers.get("apikey"), "sb_key");
  }
});

Deno.test("a body that is too long is refused with 413 in the service's own words", async () => {
  const shapes = { rest: "message", auth: "error_code", storage: "statusCode" } as const;
  for (const [service, field] of Object.entries(shapes)) {
    const most = MOST_BYTES[service as keyof typeof shapes];
    const { answer, seen } = await sent(`/${service}/v1/x`, { apikey: "sb_key" }, 2 * most);
    if (!(answer instanceof Response)) throw new Error(`${service} was let in`);
    const said = await answer.json();
    same(answer.status === 413 || said.statusCode === "413", true, service);
    same(field in said, true, service);
    same(seen.cancelled, true);
  }
});

Deno.test("a call of REST that says how long it is goes on as it is, unread", async () => {
  const known = { apikey: "sb_key", "content-length": "100" };
  const { answer, seen } = await sent("/rest/v1/rpc/x", known);
  same(answer instanceof Request, true);
  same(seen.asked, 0);
  const long = { ...known, "content-length": String(MOST_BYTES.rest + 1) };
  const refused = await sent("/rest/v1/rpc/x", long);
  same((refused.answer as Response).status, 413);
  equal(refused.seen, { asked: 0, cancelled: true });
});

Deno.test("a letter or a digit by its code is a disguise, and what keys of objects need is none", () => {
  for (const one of ["%74oken", "%54oken", "v%31", "a/%7a", "%5A", "%6F"]) {
    same(isDisguised(one), true);
  }
  for (const one of ["a%20b", "a%2Fb", "%C3%A4", "%40", "%5B", "%60", "%7B", "%3A", "100%"]) {
    same(isDisguised(one), false);
  }
});
