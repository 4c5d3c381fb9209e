import { uuid } from "../_shared/checks.ts";
import type { WorkOfAny } from "../_shared/endpoint.ts";
import { badParams } from "../_shared/errors.ts";

/**
 * moments-cron?action=generate-user[&user_id=…] → {success, job_id}: asks for the caller's moments, as older apps do.
 * Users ask for nobody's but their own.
 */
export const momentsCron: WorkOfAny = async (_, call, __, { url }) => {
  if (url.searchParams.get("action") !== "generate-user") {
    throw badParams("action", "generate-user");
  }
  const user = url.searchParams.get("user_id");
  const args = user === null ? {} : { p_user: uuid(user, "user_id") };
  const { id } = await call("generate_moments", args) as { id: string };
  return { success: true, job_id: id };
};
