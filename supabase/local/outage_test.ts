import { deepStrictEqual as equal, strictEqual as same } from "node:assert";
import { answering, noting } from "./outage.ts";

/** What is answered when the database said `code` and lite answered with `status` and a code of its own. */
function answered(code: string, status = 500, lites = "SUP"): Promise<Response> {
  return answering(async () => {
    const failure = Object.assign(new Error("said"), { code, detail: "more" });
    await noting(() => Promise.reject(failure)).catch(() => {});
    return Response.json({ code: lites }, { status });
  });
}

Deno.test("a failure that lite does not know has the database's code and PostgREST's status", async () => {
  const cases: [string, number][] = [
    ["57014", 500],
    ["40P01", 500],
    ["40001", 500],
    ["54000", 500],
    ["XX000", 500],
    ["0A000", 400],
    ["28000", 403],
  ];
  for (const [code, status] of cases) {
    const answer = await answered(code);
    same(answer.status, status, code);
    equal(await answer.json(), { code, details: "more", hint: null, message: "said" });
  }
});

Deno.test("what lite knows, and what is lite's own fault, stays as it is", async () => {
  equal(await (await answered("23505", 409, "23505")).json(), { code: "23505" });
  equal(await (await answered("no SQLSTATE")).json(), { code: "SUP" });
});

Deno.test("an outage is 503", async () => {
  same((await answered("57P01")).status, 503);
});
