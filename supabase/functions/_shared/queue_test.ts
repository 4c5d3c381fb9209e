import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { RequestError } from "./errors.ts";
import { forEach, refusal, verbsOf } from "./queue.ts";
import { TOKEN, world } from "./testing.ts";

Deno.test("a verb is called with the caller's token and the publishable key", async () => {
  const rest = world(() => ({ json: "cancelled" }));
  same(await verbsOf(TOKEN, rest)("cancel_job", { p_id: "x" }), "cancelled");
  const [asked] = rest.asked;
  same(asked.url, "http://project.test/rest/v1/rpc/cancel_job");
  same(asked.headers.get("authorization"), `Bearer ${TOKEN}`);
  same(asked.headers.get("apikey"), "sb_publishable_test");
  same(asked.args, { p_id: "x" });
});

const KEYS: [env: Record<string, string>, key: string][] = [
  [{ SUPABASE_PUBLISHABLE_KEY: "", SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_b"}' }, "sb_b"],
  [{ SUPABASE_PUBLISHABLE_KEY: "", SUPABASE_ANON_KEY: "legacy" }, "legacy"],
  [
    { SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_b"}', SUPABASE_ANON_KEY: "legacy" },
    "sb_publishable_test",
  ],
];

for (const [env, key] of KEYS) {
  Deno.test(`the key is found in ${Object.keys(env).join(", ")}`, async () => {
    const rest = world(() => ({ json: null }), env);
    await verbsOf(TOKEN, rest)("cancel_job", {});
    same(rest.asked[0].headers.get("apikey"), key);
  });
}

const REFUSALS: [status: number, answer: unknown, code: string, answeredWith: number][] = [
  [404, { code: "PT404", message: "not_found" }, "not_found", 404],
  [400, { code: "PT400", message: "unknown_job_type" }, "unknown_job_type", 400],
  [400, { code: "PT400", message: "bad_params", details: "why" }, "bad_params", 400],
  [429, { code: "PT429", message: "too_many_jobs", details: "why" }, "too_many_jobs", 429],
  [409, { code: "PT409", message: "conflict", details: "why" }, "conflict", 409],
  [503, { code: "PT503", message: "database_busy" }, "database_unavailable", 503],
  [429, { message: "slow down" }, "database_unavailable", 503],
  [401, { code: "PGRST303", message: "JWT expired" }, "unauthorized", 401],
  [401, { code: "42501", message: "permission denied" }, "unauthorized", 401],
  [403, { code: "42501", message: "permission denied" }, "forbidden", 403],
  [404, { code: "PGRST202", message: "no function" }, "internal_error", 500],
  [409, { code: "23514", message: "some_check" }, "bad_params", 400],
  [400, { code: "22P02", message: "invalid input" }, "bad_params", 400],
  [503, { code: "PGRST001", message: "no connection" }, "database_unavailable", 503],
  [500, { code: "57014", message: "timeout" }, "database_unavailable", 503],
  [502, undefined, "database_unavailable", 503],
];

for (const [status, answer, code, answeredWith] of REFUSALS) {
  Deno.test(`${status} ${JSON.stringify(answer)} means ${code}`, () => {
    const error = refusal("enqueue_job", status, answer);
    same([error.code, error.status], [code, answeredWith]);
  });
}

Deno.test("the database's sentence is passed on", () => {
  const answer = {
    code: "PT400",
    message: "bad_params",
    details: "p_priority: expected 100 or more",
  };
  same(refusal("enqueue_job", 400, answer).message, "p_priority: expected 100 or more");
});

Deno.test("a database that is busy says with what", () => {
  const answer = { code: "PT503", message: "database_busy", details: "these photos; try again" };
  same(refusal("assign_faces", 503, answer).message, "these photos; try again");
});

Deno.test("a database that cannot be reached is unavailable, not broken", async () => {
  const dead = { ...world(() => ({ json: null })), fetch: () => Promise.reject(new TypeError()) };
  await rejects(
    verbsOf(TOKEN, dead)("cancel_job", {}),
    (error) => error instanceof RequestError && error.code === "database_unavailable",
  );
});

Deno.test("many items are worked on a few at a time and answered in order", async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 35 }, (_, index) => index);
  const answers = await forEach(items, async (item) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running -= 1;
    return item * 2;
  });
  same(answers, items.map((item) => item * 2));
  same(most, 10);
});
