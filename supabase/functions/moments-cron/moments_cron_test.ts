import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { momentsCron } from "./moments_cron.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

function ask(search: string, calls: unknown[] = []): Promise<unknown> {
  const url = new URL(`http://project.test/functions/v1/moments-cron${search}`);
  const call = (name: string, args: unknown) => {
    calls.push([name, args]);
    return Promise.resolve({ id: "job", status: "enqueued" });
  };
  return momentsCron({}, call, "moments-cron", { method: "POST", url });
}

Deno.test("a user asks for their moments", async () => {
  const calls: unknown[] = [];
  same(await ask(`?action=generate-user&user_id=${A}`, calls), { success: true, job_id: "job" });
  same(await ask("?action=generate-user", calls), { success: true, job_id: "job" });
  same(calls, [["generate_moments", { p_user: A }], ["generate_moments", {}]]);
});

Deno.test("nothing else is understood", async () => {
  await rejects(ask("?action=generate-all"), { code: "bad_params", field: "action" });
  await rejects(ask("?action=generate-user&user_id=7"), { code: "bad_params", field: "user_id" });
});
