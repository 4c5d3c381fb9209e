import { deepStrictEqual as equal } from "node:assert";
import { arrayValues, jsonValue } from "./values.ts";

Deno.test("a column's text becomes the value JSON has for its type", () => {
  const cases: [string | null, string, unknown][] = [
    [null, "text", null],
    ["t", "bool", true],
    ["42", "int4", 42],
    ["1.50", "numeric", 1.5],
    ["NaN", "float8", "NaN"],
    ['{"a": [1]}', "jsonb", { a: [1] }],
    ["2026-11-20 11:03:43.341+00", "timestamptz", "2026-11-20T11:03:43.341+00:00"],
    ["{1,2,NULL}", "_int4", [1, 2, null]],
    ["[1,2,3]", "vector", "[1,2,3]"],
  ];
  for (const [text, type, expected] of cases) equal(jsonValue(text, type), expected);
});

Deno.test("an array keeps its commas, quotes and backslashes", () => {
  equal(arrayValues("{}"), []);
  equal(arrayValues('{plain,"a,b","say \\"hi\\"","back\\\\slash","NULL",NULL,""}'), [
    "plain",
    "a,b",
    'say "hi"',
    "back\\slash",
    "NULL",
    null,
    "",
  ]);
});
