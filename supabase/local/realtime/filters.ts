// Filters of a subscription: `status=eq.pending`, several joined by commas, any of them negated by
// `not.`; the operators that PostgREST and Realtime share.

import type { Row } from "./pgoutput.ts";

export interface Condition {
  column: string;
  operator: string;
  negated: boolean;
  operand: string;
}

/** Raised for a filter nobody could evaluate; its message goes to the client. */
export class FilterError extends Error {}

const OPERATORS = [
  "eq",
  "neq",
  "lt",
  "lte",
  "gt",
  "gte",
  "in",
  "is",
  "like",
  "ilike",
  "isdistinct",
];

export function parseFilter(text: string): Condition[] {
  return splitOutsideBrackets(text).map((part) => {
    const found = /^([^=]+)=(not\.)?([a-z]+)\.(.*)$/s.exec(part.trim());
    if (!found || !OPERATORS.includes(found[3])) {
      throw new FilterError(`Error parsing filter params: [${part}]`);
    }
    const [, column, not, operator, operand] = found;
    return { column, operator, negated: not !== undefined, operand };
  });
}

function splitOutsideBrackets(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}

/** Whether a row meets every condition. As in SQL, null meets none, negated or not, but `is`. */
export function meets(row: Row, conditions: readonly Condition[]): boolean {
  return conditions.every((condition) => {
    const value = row[condition.column];
    if (value === undefined) return false;
    const met = holds(value, condition);
    return met === null ? false : met !== condition.negated;
  });
}

function holds(value: string | null, { operator, operand }: Condition): boolean | null {
  if (operator === "is") return operand === "null" ? value === null : asBoolean(value) === operand;
  if (operator === "isdistinct") return value !== operand;
  if (value === null) return null;
  switch (operator) {
    case "eq":
      return same(value, operand);
    case "neq":
      return !same(value, operand);
    case "lt":
      return compare(value, operand) < 0;
    case "lte":
      return compare(value, operand) <= 0;
    case "gt":
      return compare(value, operand) > 0;
    case "gte":
      return compare(value, operand) >= 0;
    case "in":
      return listed(operand).some((item) => same(value, item));
    default:
      return pattern(operand, operator === "ilike").test(value);
  }
}

function same(value: string, operand: string): boolean {
  return value === operand || asBoolean(value) === operand ||
    (isNumber(value) && isNumber(operand) && Number(value) === Number(operand));
}

function asBoolean(value: string | null): string | null {
  return value === "t" ? "true" : value === "f" ? "false" : value;
}

function compare(left: string, right: string): number {
  if (isNumber(left) && isNumber(right)) return Number(left) - Number(right);
  return left < right ? -1 : left > right ? 1 : 0;
}

function isNumber(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

function listed(operand: string): string[] {
  const items = operand.replace(/^\(/, "").replace(/\)$/, "").split(",");
  return items.map((item) => item.trim().replace(/^"(.*)"$/, "$1"));
}

function pattern(operand: string, ignoreCase: boolean): RegExp {
  const source = operand.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("%", ".*").replaceAll(
    "_",
    ".",
  );
  return new RegExp(`^${source}$`, ignoreCase ? "is" : "s");
}
