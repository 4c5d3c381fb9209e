import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { moments } from "./moments.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

/** What the database was asked for, as its answer. */
function echo(name: string, args: unknown): Promise<unknown> {
  return Promise.resolve([name, args]);
}

const ASKED: [body: Record<string, unknown>, name: string, args: Record<string, unknown>][] = [
  [{ verb: "list" }, "list_moments", {}],
  [{ verb: "list", limit: 5, after: { id: A }, saved: true }, "list_moments", {
    p_limit: 5,
    p_after: { id: A },
    p_saved: true,
  }],
  [{ verb: "show", moment_id: A, limit: 500 }, "show_moment", { p_moment_id: A, p_limit: 500 }],
  [{ verb: "view", moment_id: A.toUpperCase() }, "view_moment", { p_moment_id: A }],
  [{ verb: "save", moment_id: A, saved: false }, "save_moment", {
    p_moment_id: A,
    p_saved: false,
  }],
  [{ verb: "dismiss", moment_id: A }, "dismiss_moment", { p_moment_id: A }],
  [{ verb: "generate" }, "generate_moments", {}],
  [{ verb: "settings" }, "moment_settings", {}],
  [{ verb: "set", settings: { quiet_from: null } }, "set_moment_settings", {
    p_settings: { quiet_from: null },
  }],
];

for (const [body, name, args] of ASKED) {
  Deno.test(`${JSON.stringify(body)} calls ${name}`, async () => {
    same(await moments(body, echo), [name, args]);
  });
}

const REFUSED: [body: unknown, field: string][] = [
  [null, "body"],
  [{}, "verb"],
  [{ verb: "delete" }, "verb"],
  [{ verb: "list", limit: 101 }, "limit"],
  [{ verb: "list", saved: "yes" }, "saved"],
  [{ verb: "list", user: A }, "user"],
  [{ verb: "show" }, "moment_id"],
  [{ verb: "show", moment_id: "1" }, "moment_id"],
  [{ verb: "save", moment_id: A, saved: 1 }, "saved"],
  [{ verb: "generate", user_id: A }, "user_id"],
  [{ verb: "set", settings: [] }, "settings"],
  [{ verb: "set" }, "settings"],
];

for (const [body, field] of REFUSED) {
  Deno.test(`${JSON.stringify(body)} is refused for its ${field}`, async () => {
    const never = () => Promise.reject(new Error("asked"));
    await rejects(moments(body, never), { code: "bad_params", field });
  });
}
