import { strictEqual as same } from "node:assert";
import { encodedArguments, encodedColumns, isoTimestamp } from "./encoding.ts";

Deno.test("a timestamp is written as JSON writes it", () => {
  const cases = [
    ["2026-11-20 11:03:43.341+00", "2026-11-20T11:03:43.341+00:00"],
    ["2026-11-20 11:03:43-03", "2026-11-20T11:03:43-03:00"],
    ["2026-11-20 11:03:43+05:30", "2026-11-20T11:03:43+05:30"],
    ["2026-11-20 11:03:43", "2026-11-20T11:03:43"],
    ["infinity", "infinity"],
  ];
  for (const [given, expected] of cases) same(isoTimestamp(given), expected);
});

Deno.test("an argument meant as json is encoded once, a column twice", () => {
  const types = new Map([["p", "jsonb"], ["t", "text"]]);
  same(encodedArguments({ p: "word", t: "word" }, types).p, '"word"');
  same(encodedArguments({ p: "word", t: "word" }, types).t, "word");
  same(encodedColumns({ p: true }, types).p, '"true"');
});

Deno.test("a list for a vector becomes its text, wherever the type lives", () => {
  for (const type of ["vector", "extensions.vector(3)", "halfvec"]) {
    same(encodedColumns({ e: [1, 2.5, 3] }, new Map([["e", type]])).e, "[1,2.5,3]");
  }
});
