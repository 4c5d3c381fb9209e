// The one verb of Auth's admin API that lite lacks and the project needs: an account is deleted, with all that
// refers to it, by the role that Auth works as.

import type { Sql } from "postgres";
import { type Access, said } from "./admission.ts";

const ACCOUNT = /^\/auth\/v1\/admin\/users\/([^/]+)$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The answer to a request that wants an account deleted; null for any other. */
export async function accountDeleted(
  request: Request,
  access: Access,
  sql: Sql,
): Promise<Response | null> {
  const account = ACCOUNT.exec(new URL(request.url).pathname)?.[1];
  if (account === undefined || request.method !== "DELETE") return null;
  const caller = await access.keyClaims(request.headers.get("apikey") ?? "");
  if (caller?.role !== "service_role") {
    return said("auth", 403, "not_admin", "User not allowed");
  }
  if (!UUID.test(account)) {
    return said("auth", 404, "validation_failed", "user_id must be an UUID");
  }
  const gone = await sql.begin(async (transaction) => {
    await transaction`set local role supabase_auth_admin`;
    return await transaction`delete from auth.users where id = ${account} returning id`;
  });
  return gone.length > 0
    ? Response.json({}, { headers: { "access-control-allow-origin": "*" } })
    : said("auth", 404, "user_not_found", "User not found");
}
