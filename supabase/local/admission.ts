// Who is let in. The caller is known, and the length of what they send is bounded, before a byte of a body
// is read: whoever has no key cannot make this process hold anything.

import { BodyTooLong, BodyTooSlow, letGo, refuseDeclared, wholeBody } from "./body.ts";
import { internal, invalidToken, StorageError, timedOut, tooLarge } from "./storage/errors.ts";
import type { Claims, Tokens } from "./tokens.ts";

const MIB = 1024 * 1024;

/** The longest body of each service. Storage's files are bounded by their buckets; this is for its JSON. */
export const MOST_BYTES = { rest: 20 * MIB, auth: MIB, storage: 2 * MIB, functions: 6 * MIB };

export type Service = keyof typeof MOST_BYTES;

export interface Access {
  tokens: Tokens;
  /** The claims an opaque or legacy key stands for; null for one that is not ours. */
  keyClaims(key: string): Promise<Claims | null>;
}

/** Addresses of Auth that mails and other sites lead to, where no app could add a key. */
const OPEN =
  /^\/auth\/v1\/(?:(?:callback|authorize|verify)$|oauth\/|sso\/saml\/|\.well-known\/|scim\/v2)/;
const CORS = { "access-control-allow-origin": "*" };

export function serviceOf(path: string): Service | null {
  const found = /^\/(rest|auth|storage|functions)\/v1(?:\/|$)/.exec(path)?.[1];
  return (found as Service | undefined) ?? null;
}

/**
 * Whether a path spells a letter or a digit by its code, which no client does: who looks at the path (here, what
 * to guard) and who decodes it (lite, what to serve) would read two different ones.
 */
export function isDisguised(path: string): boolean {
  return /%(?:3\d|[46][1-9a-f]|[57][\da])/i.test(path);
}

/**
 * The request with its body read, for whom it is from has been asked; or the refusal, in the spelling of
 * the service. Requests without a body are left to the service.
 */
export async function admitted(request: Request, access: Access): Promise<Request | Response> {
  const path = new URL(request.url).pathname;
  const service = serviceOf(path);
  if (!hasBody(request)) return request;
  if (service === null) return await refusing(request, notFound());
  const refusal = await stranger(service, path, request, access);
  if (refusal) return await refusing(request, refusal);
  try {
    // REST is called by the thousand, and copying a request takes as long as a quick call. The server itself
    // lets no body be longer than it says.
    if (service === "rest" && request.headers.has("content-length")) {
      refuseDeclared(request, MOST_BYTES.rest);
      return request;
    }
    const body = await wholeBody(request, MOST_BYTES[service]);
    return new Request(request, { body });
  } catch (error) {
    const refusal = bodyRefusal(service, error);
    if (refusal === null) throw error;
    return await refusing(request, refusal);
  }
}

/** Told by its length where it says one: to ask for the body's stream makes one, which takes its time. */
function hasBody(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.body !== null : Number(length) !== 0;
}

/** A refusal, with the rest of the body dropped unread. */
export async function refusing(request: Request, refusal: Response): Promise<Response> {
  if (!request.body?.locked) await letGo(request.body);
  return refusal;
}

/** Why a body was not read to its end, as the service says it; null for another error. */
export function bodyRefusal(service: Service, error: unknown): Response | null {
  if (error instanceof BodyTooLong) {
    return service === "storage" ? tooLarge().response(CORS) : said(
      service,
      413,
      "request_too_large",
      `Request body exceeds the limit of ${MOST_BYTES[service]} bytes`,
    );
  }
  if (error instanceof BodyTooSlow) {
    return service === "storage"
      ? timedOut().response(CORS)
      : said(service, 408, "request_timeout", "Request body did not arrive in time");
  }
  return null;
}

/** An error in the spelling of REST, Auth or functions. */
export function said(
  service: Exclude<Service, "storage">,
  status: number,
  code: string,
  message: string,
): Response {
  const body = {
    rest: { code, details: null, hint: null, message },
    auth: { code: status, error_code: code, msg: message },
    functions: { code: code.toUpperCase(), message },
  }[service];
  return Response.json(body, { status, headers: CORS });
}

/** Storage's caller: the bearer's token, else the key. A token that does not hold is never ignored. */
export async function callerOf(request: Request, access: Access): Promise<Claims> {
  const token = bearerOf(request) || request.headers.get("apikey") || "";
  const claims = token.split(".").length === 3
    ? await access.tokens.verified(token)
    : await access.keyClaims(token);
  if (claims === null) throw invalidToken();
  return claims;
}

/** The refusal of a caller who cannot be told; null for one who can. */
async function stranger(
  service: Service,
  path: string,
  request: Request,
  access: Access,
): Promise<Response | null> {
  if (service === "storage") {
    try {
      await callerOf(request, access);
      return null;
    } catch (error) {
      return (error instanceof StorageError ? error : internal()).response(CORS);
    }
  }
  if (service === "auth" && OPEN.test(path)) return null;
  const key = request.headers.get("apikey") ?? new URL(request.url).searchParams.get("apikey");
  if (!key) {
    return keyless(
      "No API key found in request",
      "No `apikey` request header or url param was found.",
    );
  }
  if (await access.keyClaims(key) === null) {
    return keyless("Invalid API key", "Double check your Supabase `apikey`");
  }
  return service === "rest" ? await badToken(bearerOf(request), key, access) : null;
}

/** What PostgREST says of a bearer's token that does not hold; null for one that does. */
async function badToken(token: string, key: string, access: Access): Promise<Response | null> {
  if (token === "" || token === key || token.startsWith("sb_")) return null;
  const parts = token.split(".").length;
  if (parts !== 3) {
    return unauthorized("PGRST301", `Expected 3 parts in JWT; got ${parts}`, null);
  }
  switch (await access.tokens.standing(token)) {
    case "valid":
      return null;
    case "expired":
      return unauthorized("PGRST303", "JWT expired", null);
    case "forged": {
      const details = "None of the keys was able to decode the JWT";
      return unauthorized("PGRST301", "No suitable key or wrong key type", details);
    }
  }
}

function unauthorized(code: string, message: string, details: string | null): Response {
  const headers = { ...CORS, "www-authenticate": `Bearer error="invalid_token"` };
  return Response.json({ code, details, hint: null, message }, { status: 401, headers });
}

function keyless(message: string, hint: string): Response {
  return Response.json({ message, hint }, { status: 401, headers: CORS });
}

export function notFound(): Response {
  return new Response("404 Not Found", { status: 404, headers: CORS });
}

function bearerOf(request: Request): string {
  return /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}
