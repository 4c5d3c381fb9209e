/** What a caller is told when a request cannot be honoured: a stable code, one sentence, a status. */

export type ErrorCode =
  | "bad_params"
  | "unknown_job_type"
  | "not_found"
  | "unauthorized"
  | "forbidden"
  | "method_not_allowed"
  | "conflict"
  | "too_large"
  | "too_many_jobs"
  | "database_unavailable"
  | "internal_error";

const STATUS: Record<ErrorCode, number> = {
  bad_params: 400,
  unknown_job_type: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  too_many_jobs: 429,
  internal_error: 500,
  database_unavailable: 503,
};

export class RequestError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** The part of the request that is wrong, as in `params.operations[1]`. */
    readonly field?: string,
  ) {
    super(message);
  }

  get status(): number {
    return STATUS[this.code];
  }

  /** The body of the answer. */
  toJSON(): { error: { code: ErrorCode; message: string; field?: string } } {
    const { code, message, field } = this;
    return { error: field === undefined ? { code, message } : { code, message, field } };
  }
}

export function badParams(field: string, expected: string): RequestError {
  return new RequestError("bad_params", `${field}: expected ${expected}`, field);
}
