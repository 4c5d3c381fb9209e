// `Range: bytes=…`, as far as players and browsers use it: one range of one file.

export interface Range {
  start: number;
  length: number;
}

/** The bytes asked for; null for the whole file; "unsatisfiable" when they lie beyond its end. */
export function parseRange(header: string | null, size: number): Range | null | "unsatisfiable" {
  const found = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!found || (found[1] === "" && found[2] === "")) return null;
  if (found[1] === "") {
    const length = Math.min(Number(found[2]), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, length };
  }
  const start = Number(found[1]);
  const end = found[2] === "" ? size - 1 : Math.min(Number(found[2]), size - 1);
  if (start >= size) return "unsatisfiable";
  return end < start ? null : { start, length: end - start + 1 };
}
