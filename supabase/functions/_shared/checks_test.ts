import { deepStrictEqual as same, throws } from "node:assert/strict";
import { type Check, integer, listOf, number, oneOf, text, uuid } from "./checks.ts";
import { RequestError } from "./errors.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

const ACCEPTED: [check: Check, value: unknown, stored: unknown][] = [
  [number(0, 0.5), 0, 0],
  [number(0, 0.5), 0.5, 0.5],
  [oneOf(90, 180), 180, 180],
  [listOf(integer(1, 9), 3), [3, 1, 3], [3, 1, 3]],
  [listOf(uuid, 3), [A.toUpperCase()], [A]],
  [listOf(text(5), 3), [], []],
];

for (const [check, value, stored] of ACCEPTED) {
  Deno.test(`accepted: ${JSON.stringify(value)}`, () => same(check(value, "param"), stored));
}

const REFUSED: [check: Check, value: unknown, field: string][] = [
  [number(0, 0.5), 0.51, "param"],
  [number(0, 0.5), -1, "param"],
  [number(0, 0.5), "0.1", "param"],
  [number(0, 0.5), NaN, "param"],
  [oneOf(90, 180), "90", "param"],
  [listOf(integer(1, 9), 3), 7, "param"],
  [listOf(integer(1, 9), 3), [1, 2, 3, 4], "param"],
  [listOf(integer(1, 9), 3), [1, 0], "param[1]"],
  [listOf(uuid, 3), [A, null], "param[1]"],
];

for (const [check, value, field] of REFUSED) {
  Deno.test(`refused, naming ${field}: ${JSON.stringify(value)}`, () => {
    throws(
      () => check(value, "param"),
      (error) =>
        error instanceof RequestError && error.code === "bad_params" && error.field === field,
    );
  });
}
