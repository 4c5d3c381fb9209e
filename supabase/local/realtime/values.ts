// A column's text as the JSON value `to_json` would make of it.

import { isoTimestamp } from "../encoding.ts";

const NUMBERS = new Set(["int2", "int4", "int8", "float4", "float8", "numeric", "oid"]);

/** `type` is the name in pg_type; an array's begins with an underscore. */
export function jsonValue(text: string | null, type: string): unknown {
  if (text === null) return null;
  if (type.startsWith("_")) return arrayValues(text).map((item) => jsonValue(item, type.slice(1)));
  if (type === "bool") return text === "t";
  if (NUMBERS.has(type)) return Number.isFinite(Number(text)) ? Number(text) : text;
  if (type === "json" || type === "jsonb") return JSON.parse(text);
  if (type === "timestamptz" || type === "timestamp") return isoTimestamp(text);
  return text;
}

/** The items of a one-dimensional array literal such as `{a,"b c",NULL}`. */
export function arrayValues(text: string): (string | null)[] {
  const items: (string | null)[] = [];
  let at = text.indexOf("{") + 1;
  while (at < text.length && text[at] !== "}") {
    let item = "";
    const quoted = text[at] === '"';
    if (quoted) at++;
    while (at < text.length && (quoted ? text[at] !== '"' : text[at] !== "," && text[at] !== "}")) {
      if (text[at] === "\\") at++;
      item += text[at++];
    }
    if (quoted) at++;
    items.push(!quoted && item === "NULL" ? null : item);
    if (text[at] === ",") at++;
  }
  return items;
}
