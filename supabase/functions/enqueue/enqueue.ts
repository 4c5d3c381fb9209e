import { jobsAnswer } from "../_shared/answers.ts";
import { RequestError } from "../_shared/errors.ts";
import { type EnqueueArguments, enqueueCalls } from "../_shared/jobs.ts";
import { forEach, type Verb } from "../_shared/queue.ts";

type Enqueued = { id: string | null; asset_id: string | null; status: string };

/**
 * POST {kind, asset_id | asset_ids, params?, priority?, run_at?, force?} → {jobs: [{id, asset_id, status}]}
 * with status enqueued, already_queued, already_done, already_failed or not_found. Safe to repeat: the same
 * request is the same job, unless `force` asks for a new one after it has ended.
 */
export async function enqueue(body: unknown, call: Verb): Promise<{ jobs: Enqueued[] }> {
  const jobs = await forEach(enqueueCalls(body), (args) => enqueueOne(args, call));
  return jobsAnswer(jobs, "asset_id");
}

async function enqueueOne(args: EnqueueArguments, call: Verb): Promise<Enqueued> {
  const asset_id = args.p_asset_id;
  try {
    const { id, status } = await call("enqueue_job", args) as { id: string; status: string };
    return { id, asset_id, status };
  } catch (error) {
    const missing = error instanceof RequestError && error.code === "not_found";
    if (!missing) throw error;
    return { id: null, asset_id, status: "not_found" };
  }
}
