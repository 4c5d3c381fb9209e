import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { RequestError } from "../_shared/errors.ts";
import { type Clock, search } from "./search.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

/** A clock that goes on by what is slept, and remembers it. */
function clock(): Clock & { slept: number[] } {
  let time = 0;
  const slept: number[] = [];
  return {
    slept,
    now: () => time,
    sleep: (milliseconds) => {
      slept.push(milliseconds);
      time += milliseconds;
      return Promise.resolve();
    },
  };
}

/** A database that says so, one after the other, when it is asked what words mean. */
function database(...says: (string | Error)[]) {
  const calls: [name: string, args: unknown][] = [];
  const call = (name: string, args: unknown) => {
    calls.push([name, args]);
    if (name !== "ask_search") return Promise.resolve({ results: [], status: "told" });
    const said = says.length > 1 ? says.shift()! : says[0];
    return said instanceof Error ? Promise.reject(said) : Promise.resolve({ status: said });
  };
  return { calls, call, asked: () => calls.filter(([name]) => name === "ask_search").length };
}

Deno.test("words that are known are searched for at once", async () => {
  const { calls, call } = database("ready");
  const time = clock();
  const body = {
    text: "a dog",
    today: "2026-05-01",
    zone: "Europe/Berlin",
    without: [1],
    limit: 20,
    after: { id: A },
    as_written: true,
  };
  const answer = await search(time)(body, call, "search");
  const asked = {
    p_text: "a dog",
    p_today: "2026-05-01",
    p_zone: "Europe/Berlin",
    p_without: [1],
  };
  same(calls, [
    ["ask_search", asked],
    ["search", { ...asked, p_limit: 20, p_after: { id: A }, p_as_written: true }],
  ]);
  same(answer, { results: [], status: "told", timed_out: false });
  same(time.slept, []);
});

Deno.test("a worker is waited for, more and more seldom looked for", async () => {
  const time = clock();
  const { call, asked } = database("asked", "asked", "asked", "ready");
  const answer = await search(time)({ text: "a dog" }, call, "search");
  same((answer as { timed_out: boolean }).timed_out, false);
  same(time.slept, [40, 60, 90]);
  same(asked(), 4);
});

Deno.test("nobody waits for longer than was asked", async () => {
  const time = clock();
  const { calls, call } = database("asked");
  const answer = await search(time)({ text: "a dog", wait_ms: 1000 }, call, "search");
  same((answer as { timed_out: boolean }).timed_out, true);
  same(time.now(), 1000);
  same(calls.at(-1)![0], "search");
});

Deno.test("without patience the database answers alone", async () => {
  const { call, asked } = database("asked");
  const answer = await search(clock())({ text: "a dog", wait_ms: 0 }, call, "search");
  same([asked(), (answer as { timed_out: boolean }).timed_out], [1, true]);
});

Deno.test("nobody waits for a worker that is not there", async () => {
  const time = clock();
  const call = (name: string) =>
    Promise.resolve(
      name === "search" ? { results: [] } : { status: "asked", job: { attended: false } },
    );
  const answer = await search(time)({ text: "a dog" }, call, "search");
  same(answer, { results: [], timed_out: true });
  same(time.slept, []);
});

Deno.test("what a worker could not do is waited for no longer", async () => {
  const { call, asked } = database("asked", "failed");
  const answer = await search(clock())({ text: "a dog" }, call, "search");
  same([asked(), (answer as { timed_out: boolean }).timed_out], [2, false]);
});

Deno.test("a full queue is waited for, with few looks", async () => {
  const full = new RequestError("too_many_jobs", "as many wait as may");
  const time = clock();
  const { call, asked } = database(full, full, "asked", "ready");
  await search(time)({ text: "a dog" }, call, "search");
  same(asked(), 4);
  same(time.slept, [500, 750, 250]);
});

Deno.test("the user's other searches are answered first", async () => {
  const full = new RequestError("too_many_jobs", "as many are answered as may");
  const time = clock();
  const { call, calls } = database("ready");
  const busy = (times: number) => (name: string, args: unknown) =>
    name === "search" && times-- > 0 ? Promise.reject(full) : call(name, args);
  await search(time)({ text: "a dog" }, busy(2), "search");
  same(time.slept, [500, 750]);
  same(calls.at(-1)![0], "search");
  await rejects(search(clock())({ text: "a dog" }, busy(9), "search"), { code: "too_many_jobs" });
});

Deno.test("other errors end it", async () => {
  const { call } = database(new RequestError("unauthorized", "no"));
  await rejects(search(clock())({ text: "a dog" }, call, "search"), { code: "unauthorized" });
});

Deno.test("an example is searched for without any words", async () => {
  const { calls, call } = database("ready");
  await search(clock())({ by: { asset_id: A.toUpperCase() }, limit: 5 }, call, "search");
  same(calls, [["search_alike", { p_asset_id: A, p_limit: 5 }]]);
});

Deno.test("suggestions and things are asked for behind the name", async () => {
  const { calls, call } = database("ready");
  await search(clock())({ prefix: "an", limit: 5 }, call, "suggestions");
  await search(clock())({}, call, "objects");
  same(calls, [
    ["suggest_search", { p_prefix: "an", p_limit: 5 }],
    ["list_things", {}],
  ]);
  const wrong = { code: "bad_params", field: "prefix" };
  await rejects(search(clock())({}, call, "suggestions"), wrong);
});

const REFUSED: [body: unknown, field: string][] = [
  [null, "body"],
  [{}, "text"],
  [{ text: " " }, "text"],
  [{ text: "x".repeat(501) }, "text"],
  [{ text: ["x"] }, "text"],
  [{ text: "x", user: A }, "user"],
  [{ text: "x", as_written: 1 }, "as_written"],
  [{ text: "x", limit: 201 }, "limit"],
  [{ text: "x", limit: 0 }, "limit"],
  [{ text: "x", offset: -1 }, "offset"],
  [{ text: "x", after: 7 }, "after"],
  [{ text: "x", today: "yesterday" }, "today"],
  [{ text: "x", today: "2026-13-01" }, "today"],
  [{ text: "x", hemisphere: "east" }, "hemisphere"],
  [{ text: "x", language: "german" }, "language"],
  [{ text: "x", without: ["1"] }, "without[0]"],
  [{ text: "x", without: Array(21).fill(1) }, "without"],
  [{ text: "x", wait_ms: 10_001 }, "wait_ms"],
  [{ by: {} }, "by"],
  [{ by: { asset_id: A, face_id: A } }, "by"],
  [{ by: { asset_id: "7" } }, "asset_id"],
  [{ by: { text: "x" } }, "text"],
  [{ by: { asset_id: A }, text: "x" }, "text"],
];

for (const [body, field] of REFUSED) {
  const shown = JSON.stringify(body).slice(0, 60);
  Deno.test(`${shown} is refused for its ${field}, and nothing is asked`, async () => {
    const never = () => Promise.reject(new Error("asked"));
    await rejects(search(clock())(body, never, "search"), { code: "bad_params", field });
  });
}
