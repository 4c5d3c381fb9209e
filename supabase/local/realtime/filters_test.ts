import { strictEqual as same, throws } from "node:assert";
import { FilterError, meets, parseFilter } from "./filters.ts";

const ROW = { status: "pending", n: "10", done: "f", note: null, title: "Summer, 2024" };

Deno.test("a filter passes what PostgREST would pass", () => {
  const cases: [string, boolean][] = [
    ["status=eq.pending", true],
    ["status=eq.done", false],
    ["status=neq.done", true],
    ["n=gt.9", true], // as numbers: as texts "10" comes before "9"
    ["n=lte.9", false],
    ["n=eq.10.0", true],
    ["done=eq.false", true],
    ["done=is.false", true],
    ["status=in.(done,pending)", true],
    ["status=not.in.(done,pending)", false],
    ["title=ilike.summer%", true],
    ["title=like.summer%", false],
    ["note=is.null", true],
    ["note=not.is.null", false],
    ["note=eq.x", false],
    ["note=not.eq.x", false], // null is neither equal nor unequal
    ["note=isdistinct.x", true],
    ["status=eq.pending,n=gt.9", true],
    ["status=eq.pending,n=gt.99", false],
    ["missing=eq.x", false],
  ];
  for (const [filter, expected] of cases) same(meets(ROW, parseFilter(filter)), expected, filter);
});

Deno.test("a filter nobody understands is refused", () => {
  for (const filter of ["", "status", "status=pending", "status=near.x"]) {
    throws(() => parseFilter(filter), FilterError);
  }
});
