// A database that cannot be reached is 503, as PostgREST says it: a client tries again. Lite takes it
// for an empty schema, or for a fault of its own.

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

const requests = new AsyncLocalStorage<{ outage: boolean }>();

export function isOutage(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && (BROKEN.has(code) || code.startsWith("08"));
}

/** Whether the error says that the connection is gone, or is about to be. */
export function losesConnection(error: unknown): boolean {
  const { code, severity_local: severity } = (error ?? {}) as Record<string, unknown>;
  return severity === "FATAL" || typeof code === "string" && LOST.has(code);
}

/** Notes an outage on the request being served, and lets the error go on. */
export async function noting<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const request = requests.getStore();
    if (request && isOutage(error)) request.outage = true;
    throw error;
  }
}

/** Serves a request; whatever was made of an outage on the way becomes the answer PostgREST gives. */
export function answering(serve: () => Response | Promise<Response>): Promise<Response> {
  const request = { outage: false };
  return requests.run(request, async () => {
    const response = await serve();
    if (!request.outage) return response;
    return Response.json({
      code: "PGRST000",
      message: "Database connection error. Retrying the connection.",
      details: null,
      hint: null,
    }, { status: 503, headers: { "access-control-allow-origin": "*", "retry-after": "1" } });
  });
}
