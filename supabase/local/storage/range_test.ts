import { deepStrictEqual as equal } from "node:assert";
import { parseRange } from "./range.ts";

Deno.test("a range is cut to the file", () => {
  const cases: [string | null, ReturnType<typeof parseRange>][] = [
    [null, null],
    ["bytes=0-0", { start: 0, length: 1 }],
    ["bytes=2-", { start: 2, length: 8 }],
    ["bytes=-3", { start: 7, length: 3 }],
    ["bytes=-30", { start: 0, length: 10 }],
    ["bytes=9-99", { start: 9, length: 1 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=5-2", null],
    ["bytes=0-1,3-4", null],
    ["bytes=-", null],
    ["items=0-1", null],
  ];
  for (const [header, expected] of cases) equal(parseRange(header, 10), expected, String(header));
});
