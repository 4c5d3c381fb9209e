/** What every function does around its own work: CORS, method, token, body, and errors as JSON. */

import { badParams, RequestError } from "./errors.ts";
import { type Verb, verbsOf, type World } from "./queue.ts";

const MOST_BYTES = 64 * 1024; // a hundred ids with params are about 8 KB
const JWT = /^Bearer\s+([\w-]+\.[\w-]+\.[\w-]+)$/i;

/** How it was asked, for functions that do not answer POSTs alone. */
export interface Asked {
  method: string;
  url: URL;
}

/** `path` is the last part of the address: the function's name, or what an app put behind it. */
export type Work = (body: unknown, call: Verb, path: string) => Promise<unknown>;
export type WorkOfAny = (...told: [...Parameters<Work>, asked: Asked]) => Promise<unknown>;

export interface Options {
  world?: World;
  /** With GET among them, what comes without a body has an empty one. */
  methods?: readonly string[];
  /** Requests of one token that are answered at a time; more are `too_many_jobs`. */
  atOnce?: number;
}

const REAL: World = { env: Deno.env, fetch: (...request) => fetch(...request) };

/**
 * A request handler for `Deno.serve` that answers POSTs, or `methods`, with what `work` answers, `atOnce` of one token
 * at a time: of more, each would wait in the database's line in front of everybody else.
 */
export function endpoint(
  work: WorkOfAny,
  { world = REAL, methods = ["POST"], atOnce = Infinity }: Options = {},
): (request: Request) => Promise<Response> {
  const allowed = [...methods, "OPTIONS"].join(", ");
  const turns = new Turns(atOnce);
  return async (request) => {
    const headers = corsHeaders(request, world, allowed);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
    try {
      return Response.json(await answer(request, work, world, methods, turns), { headers });
    } catch (thrown) {
      const error = asRequestError(thrown);
      if (error.code === "method_not_allowed") headers.set("allow", allowed);
      if (error.code === "unauthorized") headers.set("www-authenticate", "Bearer");
      return Response.json(error, { status: error.status, headers });
    }
  };
}

/** How many requests of each token are being answered. */
class Turns {
  readonly #counts = new Map<string, number>();

  constructor(readonly most: number) {}

  async take<Answer>(token: string, task: () => Promise<Answer>): Promise<Answer> {
    const count = this.#counts.get(token) ?? 0;
    if (count >= this.most) {
      throw new RequestError("too_many_jobs", `${this.most} requests are answered: ask again soon`);
    }
    this.#counts.set(token, count + 1);
    try {
      return await task();
    } finally {
      const left = this.#counts.get(token)! - 1;
      if (left === 0) this.#counts.delete(token);
      else this.#counts.set(token, left);
    }
  }
}

async function answer(
  request: Request,
  work: WorkOfAny,
  world: World,
  methods: readonly string[],
  turns: Turns,
): Promise<unknown> {
  const { method } = request;
  if (!methods.includes(method)) {
    throw new RequestError(
      "method_not_allowed",
      `expected ${methods.join(" or ")}, found ${method}`,
    );
  }
  const token = tokenOf(request);
  const url = new URL(request.url);
  const path = url.pathname.split("/").filter(Boolean).at(-1) ?? "";
  return await turns.take(token, async () => {
    const body = await bodyOf(request, methods.includes("GET"));
    return await work(body, verbsOf(token, world), path, { method, url });
  });
}

/** Only its form is checked here: the signature is PostgREST's to judge, at the first call. */
function tokenOf(request: Request): string {
  const token = JWT.exec(request.headers.get("authorization")?.trim() ?? "")?.[1];
  if (token === undefined) {
    throw new RequestError(
      "unauthorized",
      "expected Authorization: Bearer and a signed-in user's token",
    );
  }
  return token;
}

async function bodyOf(request: Request, mayLack: boolean): Promise<unknown> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) {
      throw new RequestError("too_large", `expected at most ${MOST_BYTES} bytes`, "body");
    }
    chunks.push(chunk);
  }
  if (bytes === 0 && mayLack) return {};
  try {
    return JSON.parse(await new Blob(chunks).text());
  } catch {
    throw badParams("body", "JSON");
  }
}

/** `KIZU_ALLOWED_ORIGINS` lists the web apps that may call, comma separated; unset, any may. */
function corsHeaders(request: Request, world: World, methods: string): Headers {
  const allowed = (world.env.get("KIZU_ALLOWED_ORIGINS") || "*").split(",").map((one) =>
    one.trim()
  );
  const origin = request.headers.get("origin");
  const headers = new Headers({
    "access-control-allow-methods": methods,
    "access-control-allow-headers": "authorization, x-client-info, apikey, content-type",
    "access-control-max-age": "86400",
    "cache-control": "no-store",
  });
  if (allowed.includes("*")) {
    headers.set("access-control-allow-origin", "*");
  } else {
    headers.set("vary", "origin");
    if (origin !== null && allowed.includes(origin)) {
      headers.set("access-control-allow-origin", origin);
    }
  }
  return headers;
}

function asRequestError(thrown: unknown): RequestError {
  const error = thrown instanceof RequestError
    ? thrown
    : new RequestError("internal_error", "this should not have happened; the log says more");
  if (error.code === "internal_error") console.error("request failed", thrown);
  return error;
}
