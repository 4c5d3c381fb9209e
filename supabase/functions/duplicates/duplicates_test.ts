import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { duplicates } from "./duplicates.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

/** What the request makes of the database. */
async function asked(body: unknown): Promise<[name: string, args: unknown]> {
  const calls: [string, unknown][] = [];
  await duplicates(body, (name, args) => {
    calls.push([name, args]);
    return Promise.resolve({});
  });
  same(calls.length, 1);
  return calls[0];
}

Deno.test("each verb is a function of the database's", async () => {
  same(await asked({ verb: "list" }), ["list_duplicates", {}]);
  same(await asked({ verb: "list", kind: "near", limit: 5, after: { at: "x", id: A } }), [
    "list_duplicates",
    { p_kind: "near", p_limit: 5, p_after: { at: "x", id: A } },
  ]);
  same(await asked({ verb: "resolve", keep: A.toUpperCase(), remove: [B] }), [
    "resolve_duplicates",
    { p_keep: A, p_remove: [B] },
  ]);
  same(await asked({ verb: "keep", asset_ids: [A, B], kept: false }), [
    "keep_duplicates",
    { p_asset_ids: [A, B], p_kept: false },
  ]);
});

const REFUSED: [body: unknown, field: string][] = [
  [null, "body"],
  [{}, "verb"],
  [{ verb: "delete" }, "verb"],
  [{ verb: "list", kind: "all" }, "kind"],
  [{ verb: "list", limit: 101 }, "limit"],
  [{ verb: "list", after: "x" }, "after"],
  [{ verb: "list", user: A }, "user"],
  [{ verb: "resolve", keep: A }, "remove"],
  [{ verb: "resolve", remove: [A] }, "keep"],
  [{ verb: "resolve", keep: "1", remove: [A] }, "keep"],
  [{ verb: "resolve", keep: A, remove: [] }, "remove"],
  [{ verb: "keep" }, "asset_ids"],
  [{ verb: "keep", asset_ids: [A, B], kept: "no" }, "kept"],
];

for (const [body, field] of REFUSED) {
  Deno.test(`${JSON.stringify(body)?.slice(0, 60)} is refused for its ${field}`, async () => {
    const never = () => Promise.reject(new Error("asked"));
    await rejects(duplicates(body, never), { code: "bad_params", field });
  });
}
