import { jobsAnswer } from "../_shared/answers.ts";
import { cancelCalls } from "../_shared/jobs.ts";
import { forEach, type Verb } from "../_shared/queue.ts";

type CancelAnswer = { id: string; status: string };

/**
 * POST {job_id | job_ids} → {jobs: [{id, status}]} with status cancelled (it waited, or was cancelled
 * before), cancelling (it runs, and stops at its next step), already_finished or not_found. Safe to repeat.
 */
export async function cancel(body: unknown, call: Verb): Promise<{ jobs: CancelAnswer[] }> {
  const jobs = await forEach(
    cancelCalls(body),
    async (args) => ({ id: args.p_id, status: String(await call("cancel_job", args)) }),
  );
  return jobsAnswer(jobs, "job_id");
}
