// Auth's answers with the tokens a hosted project would give: the claims GoTrue writes, as the custom access
// token hook wants them, signed with the installation's signing key. Lite signs with a secret of its own.

import { decodeJwt } from "jose";
import type { Sql } from "postgres";
import type { HookFunction } from "./config.ts";
import { isOutage } from "./outage.ts";
import type { Claims, Tokens } from "./tokens.ts";

const HOOK_MS = 2000;
const REQUIRED = [
  "iss",
  "aud",
  "exp",
  "iat",
  "sub",
  "email",
  "phone",
  "role",
  "aal",
  "session_id",
  "is_anonymous",
];

export interface Issuing {
  tokens: Tokens;
  sql: Sql;
  hook: HookFunction | null;
  /** The claim `iss`. */
  issuer: string;
}

interface Session {
  access_token: string;
  user?: Record<string, unknown>;
}

/** What the hook, or a fault of it, has to say instead of a token. */
class HookRefusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** Auth's `answer` to `request`; one with a session gets its token anew. */
export async function issued(
  answer: Response,
  request: Request,
  issuing: Issuing,
): Promise<Response> {
  const url = new URL(request.url);
  const method = methodOf(url);
  if (request.method !== "POST" || method === null || !answer.ok) return answer;
  const session: Session = await answer.json();
  const headers = new Headers(answer.headers);
  headers.delete("content-length");
  if (typeof session.access_token === "string") {
    try {
      session.access_token = await newToken(session, method, issuing);
    } catch (error) {
      return refused(error, headers);
    }
  }
  return Response.json(session, { status: answer.status, headers });
}

function refused(error: unknown, headers: Headers): Response {
  // Passed on, and told as REST tells it.
  if (isOutage(error)) throw error;
  const status = error instanceof HookRefusal ? error.status : 500;
  if (!(error instanceof HookRefusal)) console.error("no token could be issued:", error);
  const msg = error instanceof HookRefusal ? error.message : "no token could be issued";
  return Response.json({ code: status, error_code: "unexpected_failure", msg }, {
    status,
    headers,
  });
}

/** How the session came about, as GoTrue tells the hook; null where no session does. */
function methodOf(url: URL): string | null {
  switch (url.pathname) {
    case "/auth/v1/signup":
      return "password";
    case "/auth/v1/verify":
      return "otp";
    case "/auth/v1/token":
      return url.searchParams.get("grant_type") === "refresh_token"
        ? "token_refresh"
        : url.searchParams.get("grant_type") ?? "password";
    default:
      return null;
  }
}

async function newToken(session: Session, method: string, issuing: Issuing): Promise<string> {
  const { sub, aud, exp, iat, email, role, session_id } = decodeJwt(session.access_token);
  const user = session.user ?? {};
  const claims = {
    iss: issuing.issuer,
    sub,
    aud,
    exp,
    iat,
    email: email ?? "",
    phone: user.phone ?? "",
    app_metadata: user.app_metadata ?? {},
    user_metadata: user.user_metadata ?? {},
    role,
    aal: "aal1",
    amr: [{ method, timestamp: iat }],
    session_id,
    is_anonymous: user.is_anonymous ?? false,
  } as unknown as Claims;
  if (issuing.hook === null) return await issuing.tokens.signed(claims);
  return await issuing.tokens.signed(await asked(issuing.sql, issuing.hook, claims, method));
}

/** The claims the hook answers, called as GoTrue calls it: by its own role and for two seconds at most. */
async function asked(
  sql: Sql,
  hook: HookFunction,
  claims: Claims,
  method: string,
): Promise<Claims> {
  const event = { user_id: claims.sub, claims, authentication_method: method };
  const answer = await call(sql, hook, JSON.stringify(event));
  if (answer?.error) {
    const { http_code: status, message } = answer.error;
    throw new HookRefusal(status ?? 500, message ?? "the hook refused");
  }
  const missing = REQUIRED.filter((name) => answer?.claims?.[name] === undefined);
  if (missing.length > 0) {
    throw new HookRefusal(
      500,
      `output claims do not conform to the expected schema: ${missing.join(", ")} required`,
    );
  }
  return answer!.claims!;
}

interface HookAnswer {
  claims?: Claims;
  error?: { http_code?: number; message?: string };
}

async function call(sql: Sql, hook: HookFunction, event: string): Promise<HookAnswer | null> {
  try {
    return await sql.begin(async (transaction) => {
      await transaction`set local role supabase_auth_admin`;
      await transaction.unsafe(`set local statement_timeout = ${HOOK_MS}`);
      // Both as text, which needs no opinion of the driver on JSON.
      const [{ answer }] = await transaction`
        select ${transaction(hook.schema)}.${transaction(hook.name)}(${event}::text::jsonb)::text
            as answer`;
      return JSON.parse(answer);
    }) as HookAnswer | null;
  } catch (error) {
    if (isOutage(error)) throw error;
    console.error("the custom access token hook failed:", error);
    throw new HookRefusal(
      500,
      `Error running hook URI: pg-functions://postgres/${hook.schema}/${hook.name}`,
    );
  }
}
