import { record, uuid } from "../_shared/checks.ts";
import type { WorkOfAny } from "../_shared/endpoint.ts";
import { RequestError } from "../_shared/errors.ts";
import type { Verb } from "../_shared/queue.ts";

const WITH_ASSETS = 20; // moments of a page; each is one more question to the database
const PAGE = 50;

const VERBS: Record<string, string> = {
  save: "save_moment",
  dismiss: "dismiss_moment",
  view: "view_moment",
};

/**
 * Moments as older apps know them. GET moments-api?action=feed[&include_assets=true] → {moments}, the newest; GET
 * moments-api/ID → {moment}, with its assets; POST moments-api/ID/save, …/dismiss and …/view → {success, moment}; GET
 * and POST moments-api/settings → {settings}.
 */
export const momentsApi: WorkOfAny = async (body, call, path, { method, url }) => {
  const above = url.pathname.split("/").filter(Boolean).at(-2) ?? "";
  const action = url.searchParams.get("action");
  if (path === "settings" || action === "settings") {
    return {
      settings: method === "GET"
        ? await call("moment_settings", {})
        : await call("set_moment_settings", { p_settings: record(body, "body") }),
    };
  }
  if (method === "POST" && Object.hasOwn(VERBS, path)) {
    const moment = await call(VERBS[path], { p_moment_id: uuid(above, "id") });
    return { success: true, moment };
  }
  if (method === "GET" && above === "moments-api") {
    return { moment: await shown(uuid(path, "id"), call) };
  }
  if (method === "GET" && path === "moments-api" && (action ?? "feed") === "feed") {
    return { moments: await feed(call, url.searchParams.get("include_assets") === "true") };
  }
  throw new RequestError(
    "not_found",
    "expected action=feed, settings, a moment's id, or an id with save, dismiss or view",
  );
};

async function feed(call: Verb, withAssets: boolean): Promise<unknown[]> {
  const page = await call("list_moments", { p_limit: withAssets ? WITH_ASSETS : PAGE });
  const { moments } = record(page, "answer") as { moments: { id: string }[] };
  return withAssets ? await Promise.all(moments.map(({ id }) => shown(id, call))) : moments;
}

async function shown(id: string, call: Verb): Promise<unknown> {
  const answer = record(await call("show_moment", { p_moment_id: id }), "answer");
  return { ...record(answer.moment, "moment"), assets: answer.photos };
}
