/**
 * Checks of single values. Each answers the value as it is to be stored, or throws `bad_params`
 * naming the field and what was expected; the value itself is never repeated in the message.
 */

import { badParams } from "./errors.ts";

export type Check = (value: unknown, field: string) => unknown;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** As Postgres prints it, so that one id written twice is one id. */
export function uuid(value: unknown, field: string): string {
  if (typeof value !== "string" || !UUID.test(value)) throw badParams(field, "a UUID");
  return value.toLowerCase();
}

export function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badParams(field, "a JSON object");
  }
  return value as Record<string, unknown>;
}

export function boolean(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw badParams(field, "true or false");
  return value;
}

export function integer(least: number, most: number): Check {
  return (value, field) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      throw badParams(field, `a whole number from ${least} to ${most}`);
    }
    return value;
  };
}

export function number(least: number, most: number): Check {
  return (value, field) => {
    if (typeof value !== "number" || !(value >= least && value <= most)) {
      throw badParams(field, `a number from ${least} to ${most}`);
    }
    return value;
  };
}

export function text(longest: number): Check {
  return (value, field) => {
    if (typeof value !== "string" || value.trim() === "" || value.length > longest) {
      throw badParams(field, `text of 1 to ${longest} characters`);
    }
    return value;
  };
}

export function oneOf(...choices: (string | number)[]): Check {
  return (value, field) => {
    if (!choices.includes(value as string | number)) {
      throw badParams(field, `one of ${choices.join(", ")}`);
    }
    return value;
  };
}

/** A set written as a list: answered sorted and without repeats, so that equal sets are equal jobs. */
export function someOf(...choices: string[]): Check {
  const choice = oneOf(...choices);
  return (value, field) => {
    if (!Array.isArray(value) || value.length === 0) {
      throw badParams(field, `a list with some of ${choices.join(", ")}`);
    }
    return [...new Set(value.map((item, index) => choice(item, `${field}[${index}]`)))].sort();
  };
}

/** A list in the order given, each of its items checked. */
export function listOf(check: Check, most: number): Check {
  return (value, field) => {
    if (!Array.isArray(value) || value.length > most) {
      throw badParams(field, `a list of at most ${most}`);
    }
    return value.map((item, index) => check(item, `${field}[${index}]`));
  };
}

/** Like `someOf`, with `all` for every choice there is, whatever stands beside it. */
export function someOrAll(...choices: string[]): Check {
  const some = someOf(...choices, "all");
  return (value, field) => {
    const chosen = some(value, field) as string[];
    return chosen.includes("all") ? ["all"] : chosen;
  };
}

/** ISO 8601 with a date, a time and a zone; answered in UTC. */
export function moment(value: unknown, field: string): string {
  const zoned = typeof value === "string" &&
    /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/i.test(value);
  const date = new Date(zoned ? value : NaN);
  if (Number.isNaN(date.getTime())) {
    throw badParams(field, "a moment like 2026-05-01T09:30:00Z");
  }
  return date.toISOString();
}

/** A list of ids or a single one, each once, in the order given. */
export function ids(
  body: Record<string, unknown>,
  one: string,
  many: string,
  most: number,
): string[] {
  const given = [one, many].filter((name) => isGiven(body[name]));
  if (given.length !== 1) throw badParams(one, `either ${one} or ${many}`);
  if (given[0] === one) return [uuid(body[one], one)];
  return idList(most)(body[many], many) as string[];
}

/** Ids, each once, in the order given. */
export function idList(most: number): Check {
  return (value, field) => {
    if (!Array.isArray(value) || value.length === 0 || value.length > most) {
      throw badParams(field, `a list of 1 to ${most} UUIDs`);
    }
    return [...new Set(value.map((item, index) => uuid(item, `${field}[${index}]`)))];
  };
}

/** The fields that are given, each checked; unknown ones are refused, as is a lack of those it `needs`. */
export function fieldsOf(
  given: Record<string, unknown>,
  checks: Record<string, Check>,
  needs: readonly string[] = [],
): Record<string, unknown> {
  const checked: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(given)) {
    if (!Object.hasOwn(checks, field)) {
      throw badParams(field, `no such field, only ${Object.keys(checks).join(", ")}`);
    }
    if (isGiven(value)) checked[field] = checks[field](value, field);
  }
  const left = needs.find((field) => !Object.hasOwn(checked, field));
  if (left !== undefined) throw badParams(left, "it to be given");
  return checked;
}

/** JSON's null says the same as leaving the field out. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}
