import { deepStrictEqual as equal, strictEqual as same } from "node:assert";
import { counted, Failures } from "./guesses.ts";

function stoppedClock() {
  let time = 0;
  return { now: () => time, pass: (minutes: number) => time += minutes * 60_000 };
}

function signIn(email: string, path = "/auth/v1/token?grant_type=password"): Request {
  const body = JSON.stringify({ email, password: "guessed" });
  return new Request(`http://localhost${path}`, { method: "POST", body });
}

const refused = () => Promise.resolve(new Response("{}", { status: 400 }));

async function statuses(
  failures: Failures,
  tries: number,
  { email = "a@x", address = "::1", serve = refused, path = undefined as string | undefined } = {},
): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < tries; n++) {
    found.push((await counted(failures, address, signIn(email, path), serve)).status);
  }
  return found;
}

Deno.test("the eleventh guess within five minutes is refused, and the clock allows the next", async () => {
  const clock = stoppedClock();
  const failures = new Failures(clock.now);
  equal(await statuses(failures, 11), [...Array(10).fill(400), 429]);
  clock.pass(4.9);
  equal(await statuses(failures, 1), [429]);
  clock.pass(0.2);
  equal(await statuses(failures, 1), [400]);
});

Deno.test("the refusal is Auth's own, and the password is not even looked at", async () => {
  const failures = new Failures(() => 0);
  await statuses(failures, 10);
  const answer = await counted(failures, "::1", signIn("a@x"), () => {
    throw new Error("served");
  });
  equal(await answer.json(), {
    code: 429,
    error_code: "over_request_rate_limit",
    msg: "Request rate limit reached",
  });
});

Deno.test("other accounts and addresses are counted apart, spellings of one account are not", async () => {
  const failures = new Failures(() => 0);
  await statuses(failures, 10);
  equal(await statuses(failures, 1, { email: "b@x" }), [400]);
  equal(await statuses(failures, 1, { address: "::2" }), [400]);
  equal(await statuses(failures, 1, { email: " A@X " }), [429]);
});

Deno.test("guesses sent side by side are counted before the first is answered", async () => {
  const failures = new Failures(() => 0);
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => counted(failures, "::1", signIn("a@x"), refused)),
  );
  same(answers.filter(({ status }) => status === 429).length, 2);
});

Deno.test("a right password clears the account, a fault of our own is held against nobody", async () => {
  const failures = new Failures(() => 0);
  await statuses(failures, 9);
  await statuses(failures, 1, { serve: () => Promise.resolve(new Response("{}")) });
  equal(await statuses(failures, 10), Array(10).fill(400));
  const failing = new Failures(() => 0);
  const broken = () => Promise.resolve(new Response("{}", { status: 503 }));
  equal(await statuses(failing, 20, { serve: broken }), Array(20).fill(503));
});

Deno.test("one-time codes are counted like passwords; refreshed sessions are not", async () => {
  const codes = await statuses(new Failures(() => 0), 11, { path: "/auth/v1/verify" });
  same(codes.at(-1), 429);
  const path = "/auth/v1/token?grant_type=refresh_token";
  const sessions = await statuses(new Failures(() => 0), 11, { path });
  same(sessions.at(-1), 400);
});

Deno.test("no more accounts are remembered than fit, and the one still guessed at stays", async () => {
  const failures = new Failures(() => 0, 3);
  for (const email of ["a", "b", "a", "c", "d"]) await statuses(failures, 1, { email });
  same(failures.size, 3);
  equal(await statuses(failures, 9, { email: "a" }), [...Array(8).fill(400), 429]);
});
