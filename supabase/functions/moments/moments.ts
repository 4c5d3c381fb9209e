import { boolean, type Check, fieldsOf, integer, oneOf, record, uuid } from "../_shared/checks.ts";
import type { Verb } from "../_shared/queue.ts";

const id = { moment_id: uuid };
const needs = ["moment_id"];

const WORDS: Record<string, { calls: string; fields: Record<string, Check>; needs?: string[] }> = {
  list: {
    calls: "list_moments",
    fields: { limit: integer(1, 100), after: record, saved: boolean },
  },
  show: {
    calls: "show_moment",
    fields: { ...id, limit: integer(1, 500), after: record },
    needs,
  },
  view: { calls: "view_moment", fields: id, needs },
  save: { calls: "save_moment", fields: { ...id, saved: boolean }, needs },
  dismiss: { calls: "dismiss_moment", fields: { ...id, dismissed: boolean }, needs },
  generate: { calls: "generate_moments", fields: {} },
  settings: { calls: "moment_settings", fields: {} },
  set: { calls: "set_moment_settings", fields: { settings: record }, needs: ["settings"] },
};

/**
 * POST {verb, …} → what the database answers to it: `list` the feed, `show` a moment with its photos, `view`, `save`
 * or `dismiss` it, `generate` those of today, read the `settings` and `set` some of them. The fields are the arguments
 * of the database's functions, as in {"verb": "save", "moment_id": "…"}. Whose moments they are follows from the
 * caller's token alone.
 */
export async function moments(body: unknown, call: Verb): Promise<unknown> {
  const { verb, ...given } = record(body, "body");
  const word = WORDS[oneOf(...Object.keys(WORDS))(verb, "verb") as string];
  const args = fieldsOf(given, word.fields, word.needs);
  return await call(
    word.calls,
    Object.fromEntries(Object.entries(args).map(([name, value]) => [`p_${name}`, value])),
  );
}
