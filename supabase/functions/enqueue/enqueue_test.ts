import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { RequestError } from "../_shared/errors.ts";
import { enqueue } from "./enqueue.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

/** Only asset A exists. */
function verb(_name: string, args: unknown): Promise<unknown> {
  const { p_asset_id } = args as { p_asset_id: string };
  return p_asset_id === A
    ? Promise.resolve({ id: "job-of-a", status: "enqueued" })
    : Promise.reject(new RequestError("not_found", "no"));
}

Deno.test("every asset is answered for, in the order asked", async () => {
  const { jobs } = await enqueue({ kind: "image_ai", asset_ids: [B, A] }, verb);
  same(jobs, [
    { id: null, asset_id: B, status: "not_found" },
    { id: "job-of-a", asset_id: A, status: "enqueued" },
  ]);
});

Deno.test("when no asset is there the request is not found", async () => {
  await rejects(enqueue({ kind: "image_ai", asset_id: B }, verb), { code: "not_found" });
});

Deno.test("any other refusal is the answer to the whole request", async () => {
  const refuse = () => Promise.reject(new RequestError("unknown_job_type", "no"));
  await rejects(enqueue({ kind: "dance", asset_ids: [A, B] }, refuse), {
    code: "unknown_job_type",
  });
});
