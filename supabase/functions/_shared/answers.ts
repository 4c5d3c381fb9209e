/** Answers of several calls as one: every item in the order asked for, or an error when none exists. */

import { RequestError } from "./errors.ts";

export interface JobAnswer {
  id: string | null;
  status: string;
}

/**
 * One unknown id among many does not hide the others' answers: it is listed as `not_found`. When nothing
 * that was asked for exists, the request as a whole is not_found.
 */
export function jobsAnswer<Answer extends JobAnswer>(
  jobs: Answer[],
  what: string,
): { jobs: Answer[] } {
  if (jobs.every((job) => job.status === "not_found")) {
    throw new RequestError("not_found", `there is no such ${what} among your own`, what);
  }
  return { jobs };
}
