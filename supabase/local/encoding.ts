// Values on their way into a query and out of it, in the spelling PostgREST has for their type.
//
// Lite hands strings and booleans meant for a json column or argument on as they are, and arrays meant
// for a vector as arrays; PostgREST takes them all.

type Types = ReadonlyMap<string, string | undefined>;
type Row = Record<string, unknown>;

/** A function's named arguments: what is meant as json is encoded. */
export function encodedArguments(given: Row, types: Types): Row {
  return changed(given, types, (value) => JSON.stringify(value));
}

/** A row's columns: lite decodes a string meant as json once, so it is encoded twice. */
export function encodedColumns(row: Row, types: Types): Row {
  return changed(row, types, (value) => JSON.stringify(JSON.stringify(value)));
}

/** For the driver: a json value that is a string by now has been encoded already. */
export function encodedOnce(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `2026-11-20 11:03:43.341+00` as JSON has it: `2026-11-20T11:03:43.341+00:00`. */
export function isoTimestamp(text: string): string {
  return text.replace(/^(\d{4,}-\d\d-\d\d) /, "$1T").replace(/([+-]\d\d)$/, "$1:00");
}

function changed(row: Row, types: Types, asJson: (value: unknown) => string): Row {
  const entries = Object.entries(row).map(([name, value]) => {
    const type = plain(types.get(name));
    const isScalar = typeof value === "string" || typeof value === "boolean";
    if ((type === "json" || type === "jsonb") && isScalar) return [name, asJson(value)];
    if ((type === "vector" || type === "halfvec") && Array.isArray(value)) {
      return [name, JSON.stringify(value)];
    }
    return [name, value];
  });
  return Object.fromEntries(entries);
}

/** `extensions.vector(3)` is a vector. */
function plain(type: string | undefined): string | undefined {
  return type?.replace(/\(.*\)$/, "").split(".").at(-1);
}
