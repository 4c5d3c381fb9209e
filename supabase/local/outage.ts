// What the database says in its own codes is answered as PostgREST answers it. Lite takes a database that
// cannot be reached for an empty schema, and codes it does not know (a statement that took too long, a
// deadlock) for a fault of its own.

import { AsyncLocalStorage } from "node:async_hooks";

const BROKEN = new Set([
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "57P01", // the server is being shut down
  "57P02", // the server crashed
  "57P03", // the server is starting up
  "53300", // too many connections
]);

const LOST = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "ECONNRESET",
  "EPIPE",
]);

/** SQLSTATE classes that are no fault of the request's. Those lite knows are its own to answer. */
const STATUSES: Record<string, number> = {
  ...Object.fromEntries(
    ["09", "25", "2D", "38", "39", "3B", "40", "54", "55", "57", "58", "F0", "HV", "P0", "XX"]
      .map((prefix) => [prefix, 500]),
  ),
  "0L": 403,
  "0P": 403,
  "28": 403,
  "53": 503,
};
/** What lite answers for an error that it does not know. */
const UNKNOWN = "SUP";

interface Failure {
  code: string;
  message: string;
  detail?: string;
  hint?: string;
}

const requests = new AsyncLocalStorage<{ outage: boolean; failure: Failure | null }>();

export function isOutage(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && (BROKEN.has(code) || code.startsWith("08"));
}

/** Whether the error says that the connection is gone, or is about to be. */
export function losesConnection(error: unknown): boolean {
  const { code, severity_local: severity } = (error ?? {}) as Record<string, unknown>;
  return severity === "FATAL" || typeof code === "string" && LOST.has(code);
}

/** Notes on the request being served what the database said of it, and lets the error go on. */
export async function noting<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const request = requests.getStore();
    if (request && isOutage(error)) request.outage = true;
    if (request && isFailure(error)) request.failure = error;
    throw error;
  }
}

function isFailure(error: unknown): error is Failure {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
}

/** Serves a request; whatever was made of an outage or a failure becomes the answer PostgREST gives. */
export function answering(serve: () => Response | Promise<Response>): Promise<Response> {
  const request = { outage: false, failure: null as Failure | null };
  return requests.run(request, async () => {
    const response = await serve();
    if (!request.outage) return await named(response, request.failure);
    return Response.json({
      code: "PGRST000",
      message: "Database connection error. Retrying the connection.",
      details: null,
      hint: null,
    }, { status: 503, headers: { "access-control-allow-origin": "*", "retry-after": "1" } });
  });
}

async function named(response: Response, failure: Failure | null): Promise<Response> {
  if (failure === null || response.status !== 500) return response;
  const said = await response.clone().json().catch(() => null);
  if (said?.code !== UNKNOWN) return response;
  const { code, message, detail, hint } = failure;
  const body = { code, details: detail ?? null, hint: hint ?? null, message };
  const headers = { "access-control-allow-origin": "*" };
  return Response.json(body, { status: STATUSES[code.slice(0, 2)] ?? 400, headers });
}
