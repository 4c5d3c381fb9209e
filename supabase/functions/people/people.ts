import {
  boolean,
  type Check,
  fieldsOf,
  idList,
  integer,
  oneOf,
  record,
  text,
  uuid,
} from "../_shared/checks.ts";
import type { Verb } from "../_shared/queue.ts";

/** One word of the request: the database's function for it, and the fields beside it. */
interface Word {
  calls: string;
  /** What it calls instead with `"apply": true`. */
  applies?: string;
  /** Under their names there, without the `p_`. */
  fields: Record<string, Check>;
  needs?: string[];
}

const MOST = 1000; // faces or photos of one request
const MOST_PEOPLE = 100;
const PAGE = 500;
const PAGE_OF_TAGS = 200;
const LONGEST_NAME = 500; // characters, as tags have it

/** `none` takes a mark away; leaving the field out is a mistake. */
const mark: Check = (value, field) => {
  const given = oneOf("ignored", "not_a_face", "none")(value, field);
  return given === "none" ? null : given;
};

const answer = oneOf("same", "different", "ignore");
const name = text(LONGEST_NAME);
const page = { limit: integer(1, PAGE), after: record };
const verdict = integer(1, Number.MAX_SAFE_INTEGER);
const id = { cluster_id: uuid };
const faces = { face_ids: idList(MOST) };
const who = { contact_id: uuid, name };

const WORDS: Record<string, Word> = {
  list: { calls: "list_people", fields: { ...page, hidden: boolean } },
  show: { calls: "show_person", fields: { ...id, ...page }, needs: ["cluster_id"] },
  questions: { calls: "list_face_questions", fields: { limit: integer(1, 100) } },
  history: { calls: "list_verdicts", fields: { ...page, after: verdict } },
  name: { calls: "name_person", fields: { ...id, ...who }, needs: ["cluster_id"] },
  hide: {
    calls: "hide_person",
    fields: { ...id, hidden: boolean },
    needs: ["cluster_id", "hidden"],
  },
  lock: {
    calls: "lock_person",
    fields: { ...id, locked: boolean },
    needs: ["cluster_id", "locked"],
  },
  merge: {
    calls: "merge_people",
    fields: { into: uuid, others: idList(MOST_PEOPLE) },
    needs: ["into", "others"],
  },
  split: {
    calls: "split_person",
    fields: { ...id, ...faces, name },
    needs: ["cluster_id", "face_ids"],
  },
  assign: { calls: "assign_faces", fields: { ...faces, ...who }, needs: ["face_ids"] },
  exclude: {
    calls: "exclude_faces",
    fields: { ...faces, contact_id: uuid, ...id },
    needs: ["face_ids"],
  },
  remove: { calls: "remove_faces", fields: faces, needs: ["face_ids"] },
  mark: { calls: "mark_faces", fields: { ...faces, mark }, needs: ["face_ids", "mark"] },
  answer: {
    calls: "answer_face_question",
    fields: { face_id: uuid, other_id: uuid, answer },
    needs: ["face_id", "other_id", "answer"],
  },
  sync: {
    calls: "preview_tag_sync",
    applies: "apply_tag_sync",
    fields: { asset_ids: idList(MOST), ...page, limit: integer(1, PAGE_OF_TAGS), apply: boolean },
  },
  cluster: { calls: "cluster_people", fields: {} },
  undo: { calls: "undo_verdict", fields: { verdict_id: verdict } },
  clear: { calls: "clear_people", fields: {} },
};

/**
 * POST {verb, …} → what the database answers to it. The verbs are the words of `kizu people`, and the fields
 * the arguments of their functions, as in {"verb": "name", "cluster_id": "…", "name": "Marie"}. Whose people
 * they are follows from the caller's token alone.
 */
export async function people(body: unknown, call: Verb): Promise<unknown> {
  const { verb, ...given } = record(body, "body");
  const word = WORDS[oneOf(...Object.keys(WORDS))(verb, "verb") as string];
  const { apply, ...args } = fieldsOf(given, word.fields, word.needs);
  return await call(apply && word.applies ? word.applies : word.calls, asArguments(args));
}

function asArguments(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [`p_${name}`, value]));
}
