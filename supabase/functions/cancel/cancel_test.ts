import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { cancel } from "./cancel.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

Deno.test("each job answers with its own status", async () => {
  const verb = (_name: string, args: unknown) =>
    Promise.resolve((args as { p_id: string }).p_id === A ? "cancelling" : "not_found");
  same(await cancel({ job_ids: [A, B] }, verb), {
    jobs: [{ id: A, status: "cancelling" }, { id: B, status: "not_found" }],
  });
});

Deno.test("a job that does not exist for the caller is not found", async () => {
  const verb = () => Promise.resolve("not_found");
  await rejects(cancel({ job_id: B }, verb), { code: "not_found", field: "job_id" });
});
