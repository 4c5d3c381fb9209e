import {
  boolean,
  type Check,
  fieldsOf,
  idList,
  integer,
  oneOf,
  record,
  uuid,
} from "../_shared/checks.ts";
import type { Verb } from "../_shared/queue.ts";

const MOST = 100; // photos of one request, and groups of a page

const WORDS: Record<string, { calls: string; fields: Record<string, Check>; needs?: string[] }> = {
  list: {
    calls: "list_duplicates",
    fields: { kind: oneOf("exact", "near", "burst"), limit: integer(1, MOST), after: record },
  },
  keep: {
    calls: "keep_duplicates",
    fields: { asset_ids: idList(MOST), kept: boolean },
    needs: ["asset_ids"],
  },
  resolve: {
    calls: "resolve_duplicates",
    fields: { keep: uuid, remove: idList(MOST) },
    needs: ["keep", "remove"],
  },
};

/**
 * POST {verb, …} → what the database answers to it: `list` photos that are alike, the best of each group first;
 * `resolve` a group, keeping one photo with all that the others alone had; `keep` photos that are no duplicates.
 * The fields are the arguments of list_duplicates, resolve_duplicates and keep_duplicates, as in
 * {"verb": "resolve", "keep": "…", "remove": ["…"]}. Whose photos they are follows from the caller's token alone.
 */
export async function duplicates(body: unknown, call: Verb): Promise<unknown> {
  const { verb, ...given } = record(body, "body");
  const word = WORDS[oneOf(...Object.keys(WORDS))(verb, "verb") as string];
  const args = fieldsOf(given, word.fields, word.needs);
  return await call(
    word.calls,
    Object.fromEntries(Object.entries(args).map(([name, value]) => [`p_${name}`, value])),
  );
}
