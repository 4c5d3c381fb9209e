import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { people } from "./people.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

/** What the database was asked for, as its answer. */
function echo(name: string, args: unknown): Promise<unknown> {
  return Promise.resolve([name, args]);
}

const ASKED: [body: Record<string, unknown>, name: string, args: Record<string, unknown>][] = [
  [{ verb: "list" }, "list_people", {}],
  [{ verb: "list", limit: 500, after: { faces: 3 }, hidden: true }, "list_people", {
    p_limit: 500,
    p_after: { faces: 3 },
    p_hidden: true,
  }],
  [{ verb: "show", cluster_id: A }, "show_person", { p_cluster_id: A }],
  [{ verb: "name", cluster_id: A, name: "Ada" }, "name_person", { p_cluster_id: A, p_name: "Ada" }],
  [{ verb: "name", cluster_id: A, contact_id: null }, "name_person", { p_cluster_id: A }],
  [{ verb: "assign", face_ids: [A, B], contact_id: B }, "assign_faces", {
    p_face_ids: [A, B],
    p_contact_id: B,
  }],
  [{ verb: "exclude", face_ids: [A], cluster_id: B }, "exclude_faces", {
    p_face_ids: [A],
    p_cluster_id: B,
  }],
  [{ verb: "remove", face_ids: [A, B, A.toUpperCase()] }, "remove_faces", { p_face_ids: [A, B] }],
  [{ verb: "merge", into: A, others: [B] }, "merge_people", { p_into: A, p_others: [B] }],
  [{ verb: "split", cluster_id: A, face_ids: [B], name: "Bob" }, "split_person", {
    p_cluster_id: A,
    p_face_ids: [B],
    p_name: "Bob",
  }],
  [{ verb: "hide", cluster_id: A, hidden: false }, "hide_person", {
    p_cluster_id: A,
    p_hidden: false,
  }],
  [{ verb: "lock", cluster_id: A, locked: true }, "lock_person", {
    p_cluster_id: A,
    p_locked: true,
  }],
  [{ verb: "mark", face_ids: [A], mark: "not_a_face" }, "mark_faces", {
    p_face_ids: [A],
    p_mark: "not_a_face",
  }],
  [{ verb: "mark", face_ids: [A], mark: "none" }, "mark_faces", { p_face_ids: [A], p_mark: null }],
  [{ verb: "questions", limit: 100 }, "list_face_questions", { p_limit: 100 }],
  [{ verb: "answer", face_id: A, other_id: B, answer: "same" }, "answer_face_question", {
    p_face_id: A,
    p_other_id: B,
    p_answer: "same",
  }],
  [{ verb: "sync" }, "preview_tag_sync", {}],
  [{ verb: "sync", asset_ids: [A], apply: false }, "preview_tag_sync", { p_asset_ids: [A] }],
  [{ verb: "sync", asset_ids: [A], apply: true }, "apply_tag_sync", { p_asset_ids: [A] }],
  [{ verb: "cluster" }, "cluster_people", {}],
  [{ verb: "history", limit: 20, after: 7 }, "list_verdicts", { p_limit: 20, p_after: 7 }],
  [{ verb: "undo" }, "undo_verdict", {}],
  [{ verb: "undo", verdict_id: 7 }, "undo_verdict", { p_verdict_id: 7 }],
  [{ verb: "clear" }, "clear_people", {}],
];

for (const [body, name, args] of ASKED) {
  Deno.test(`${JSON.stringify(body)} calls ${name}`, async () => {
    same(await people(body, echo), [name, args]);
  });
}

const REFUSED: [body: unknown, field: string][] = [
  [null, "body"],
  [[], "body"],
  [{}, "verb"],
  [{ verb: "toString" }, "verb"],
  [{ verb: ["list"] }, "verb"],
  [{ verb: "list", user: A }, "user"],
  [{ verb: "list", limit: 501 }, "limit"],
  [{ verb: "list", after: "x" }, "after"],
  [{ verb: "show" }, "cluster_id"],
  [{ verb: "show", cluster_id: "Ada" }, "cluster_id"],
  [{ verb: "name", cluster_id: A, name: " " }, "name"],
  [{ verb: "name", cluster_id: A, name: "x".repeat(501) }, "name"],
  [{ verb: "assign", face_ids: [], name: "Ada" }, "face_ids"],
  [{ verb: "assign", face_ids: Array(1001).fill(A), name: "Ada" }, "face_ids"],
  [{ verb: "assign", face_ids: [A, "7"], name: "Ada" }, "face_ids[1]"],
  [{ verb: "merge", into: A }, "others"],
  [{ verb: "merge", into: A, others: Array(101).fill(B) }, "others"],
  [{ verb: "hide", cluster_id: A }, "hidden"],
  [{ verb: "mark", face_ids: [A] }, "mark"],
  [{ verb: "mark", face_ids: [A], mark: "nose" }, "mark"],
  [{ verb: "answer", face_id: A, other_id: B, answer: "maybe" }, "answer"],
  [{ verb: "history", after: { id: 7 } }, "after"],
  [{ verb: "undo", verdict_id: 0 }, "verdict_id"],
];

for (const [body, field] of REFUSED) {
  const shown = JSON.stringify(body).slice(0, 80);
  Deno.test(`${shown} is refused for its ${field}, and nothing is asked`, async () => {
    const never = () => Promise.reject(new Error("asked"));
    await rejects(people(body, never), { code: "bad_params", field });
  });
}
