import { deepStrictEqual as equal, throws } from "node:assert";
import { bindingsOf, wanting } from "./channel.ts";
import { FilterError } from "./filters.ts";
import type { Change } from "./pgoutput.ts";

const INSERT: Change = {
  command: "INSERT",
  relation: { schema: "public", table: "jobs", columns: [], tellsAll: false },
  row: { id: "1", status: "pending" },
  old: null,
  xid: 1,
  committedAt: new Date(0),
};

function bindings(...wanted: Record<string, unknown>[]) {
  let id = 0;
  return bindingsOf({ postgres_changes: wanted }, () => ++id);
}

Deno.test("a change goes to the bindings that asked for it", () => {
  const all = bindings(
    { event: "*", schema: "*" },
    { event: "INSERT", schema: "public", table: "jobs" },
    { event: "insert", schema: "public", table: "*" },
    { event: "UPDATE", schema: "public", table: "jobs" },
    { event: "*", schema: "other", table: "jobs" },
    { event: "*", schema: "public", table: "assets" },
    { event: "*", schema: "public", table: "jobs", filter: "status=eq.done" },
  );
  equal(wanting(all, INSERT), [1, 2, 3]);
});

Deno.test("a delete is matched by what is known of the row", () => {
  const all = bindings({ event: "DELETE", table: "jobs", filter: "id=eq.1" }, {
    event: "DELETE",
    table: "jobs",
    filter: "status=eq.pending",
  });
  equal(wanting(all, { ...INSERT, command: "DELETE", row: null, old: { id: "1" } }), [1]);
});

Deno.test("an event that does not exist is refused", () => {
  throws(() => bindings({ event: "TRUNCATE" }), FilterError);
});
