/** What existing apps ask of a search, and how they read its answer. */

import {
  boolean,
  type Check,
  fieldsOf,
  idList,
  integer,
  isGiven,
  listOf,
  number,
  oneOf,
  record,
  text,
  uuid,
} from "../_shared/checks.ts";
import { badParams } from "../_shared/errors.ts";
import type { Verb } from "../_shared/queue.ts";

type Fields = Record<string, unknown>;

/** How the function searches: it waits for a worker, and the database ranks. */
export interface Search {
  now(): number;
  ask(question: Fields, page: Fields): Promise<Fields>;
}

const LONGEST_TEXT = 500;

/** What is behind the function's name, and what it searches for. */
export const OLDER_PATHS: Record<
  string,
  (request: Fields, call: Verb, search: Search) => Promise<Fields>
> = {
  combined: byWords,
  "by-description": byQuotedText,
  "by-text": byQuotedText,
  "by-object": byObject,
  "by-face": byFace,
};

const PAGE: Record<string, Check> = { limit: integer(1, 200), offset: integer(0, 10_000) };

const FILTERS: Record<string, Check> = {
  date_start: day,
  date_end: day,
  locations: listOf(text(200), 20),
  people: idList(10),
  media_type: oneOf("photo", "image", "video"),
  has_faces: boolean,
  has_text: boolean,
  description_query: text(LONGEST_TEXT),
  text_query: text(LONGEST_TEXT),
  object_classes: listOf(text(200), 20),
};

interface Evidence {
  source: string;
  similarity?: number;
  excerpt?: string;
  name?: string;
  class?: string;
}

/**
 * {status, results: [{asset_id, similarity, description?, extracted_text?, matched_faces?, matched_objects?,
 * matched_location?, thumbnail_url}…], total, processing_time_ms, query_parsed: {semantic_query, locations, date_start,
 * date_end}}, and what else the search says. The similarity of what words or filters found, and no vector, is 1.
 */
export async function asOlderApps(
  request: Fields,
  path: string,
  call: Verb,
  search: Search,
): Promise<Fields> {
  if (path === "suggestions") {
    const { query, limit } = fieldsOf(request, { query: text(200), limit: integer(1, 50) });
    return await call("suggest_search", { p_prefix: query, p_limit: limit }) as Fields;
  }
  const since = search.now();
  const answer = await (OLDER_PATHS[path] ?? byWords)(request, call, search);
  const least = typeof request.threshold === "number" ? request.threshold : -1;
  const described = request.include_descriptions !== false;
  const results = (answer.results as Fields[])
    .map((result) => asResult(result, described))
    .filter((result) => (result.similarity as number) >= least);
  return {
    ...answer,
    status: "success",
    results,
    total: results.length,
    processing_time_ms: Math.round(search.now() - since),
    query_parsed: asParsed((answer.understood ?? {}) as Fields),
  };
}

async function byWords(request: Fields, call: Verb, search: Search): Promise<Fields> {
  const { query, filters, limit = 50, offset } = fieldsOf(request, {
    query: text(LONGEST_TEXT),
    filters: record,
    threshold: number(0, 1),
    include_descriptions: boolean,
    ...PAGE,
  });
  const parts = partsOf((filters ?? {}) as Fields);
  if (query !== undefined) return await search.ask({ text: query }, { limit, offset, parts });
  if (parts.length === 0) throw badParams("query", "a query or filters");
  return await ranked(call, parts, limit, offset);
}

async function byQuotedText(request: Fields, call: Verb): Promise<Fields> {
  const { query, limit = 50, offset } = fieldsOf(request, { query: text(LONGEST_TEXT), ...PAGE }, [
    "query",
  ]);
  return await ranked(call, [{ kind: "text", text: query }], limit, offset);
}

async function byObject(request: Fields, call: Verb): Promise<Fields> {
  const { object_class, limit = 50, offset } = fieldsOf(request, {
    object_class: text(200),
    min_confidence: number(0, 1),
    ...PAGE,
  }, ["object_class"]);
  const answer = await ranked(call, [thing(object_class)], limit, offset);
  const least = (request.min_confidence ?? 0) as number;
  const isSure = (one: Fields) => one.source !== "thing" || (one.confidence as number) >= least;
  const results = (answer.results as Fields[]).filter((result) =>
    (result.evidence as Fields[]).every(isSure)
  );
  return { ...answer, results };
}

async function byFace(request: Fields, call: Verb): Promise<Fields> {
  // A vector that an app brings along is of nobody knows which model.
  if (isGiven(request.face_embedding)) {
    throw badParams("face_embedding", "contact_id or cluster_id instead");
  }
  const { threshold, limit = 50, ...of } = fieldsOf(request, {
    contact_id: uuid,
    cluster_id: uuid,
    threshold: number(0, 1),
    limit: PAGE.limit,
  });
  if (Object.keys(of).length !== 1) {
    throw badParams("contact_id", "either contact_id or cluster_id");
  }
  const [[name, id]] = Object.entries(of);
  const asked = { [`p_${name}`]: id, p_least: threshold, p_limit: limit };
  return record(await call("search_alike", asked), "answer");
}

async function ranked(
  call: Verb,
  parts: Fields[],
  limit: unknown,
  offset: unknown,
): Promise<Fields> {
  const understood = { text: "", semantic: "", parts };
  const answer = await call("rank_search", {
    p_understood: understood,
    p_limit: limit,
    ...(offset === undefined ? {} : { p_offset: offset }),
  });
  return { ...record(answer, "answer"), understood };
}

/** Filters as the parts of a search: all of them have to be true. */
function partsOf(given: Fields): Fields[] {
  const filters = fieldsOf(given, FILTERS);
  const { locations, people, object_classes } = filters as Record<string, string[] | undefined>;
  const parts: Fields[] = [];
  if (isGiven(filters.date_start) || isGiven(filters.date_end)) {
    parts.push({
      kind: "date",
      ...(isGiven(filters.date_start) ? { since: filters.date_start } : {}),
      ...(isGiven(filters.date_end) ? { before: dayAfter(filters.date_end as string) } : {}),
    });
  }
  if (locations?.length) parts.push({ kind: "place", name: locations[0], ids: locations.slice(1) });
  for (const id of people ?? []) parts.push({ kind: "person", ids: [id] });
  for (const name of object_classes ?? []) parts.push(thing(name));
  if (isGiven(filters.media_type)) {
    parts.push({ kind: "media", media: filters.media_type === "video" ? "video" : "photo" });
  }
  if (isGiven(filters.has_faces)) parts.push({ kind: "faces", not: !filters.has_faces });
  if (isGiven(filters.has_text)) parts.push({ kind: "writing", not: !filters.has_text });
  for (const words of [filters.description_query, filters.text_query]) {
    if (isGiven(words)) parts.push({ kind: "text", text: words });
  }
  return parts.map((part) => ({ from: 0, to: 0, not: false, ...part }));
}

function thing(name: unknown): Fields {
  return {
    kind: "things",
    class: String(name).toLowerCase(),
    least: 1,
    from: 0,
    to: 0,
    not: false,
  };
}

/** A day, of which a moment is the one it begins with; answered as in 2026-05-01. */
function day(value: unknown, field: string): string {
  const date = /^(\d{4}-\d\d-\d\d)(T.*)?$/.exec(typeof value === "string" ? value : "")?.[1];
  if (date === undefined || Number.isNaN(Date.parse(date))) {
    throw badParams(field, "a day like 2026-05-01");
  }
  return date;
}

function dayAfter(date: string): string {
  return new Date(Date.parse(date) + 86_400_000).toISOString().slice(0, 10);
}

function dayBefore(date: string): string {
  return new Date(Date.parse(date) - 86_400_000).toISOString().slice(0, 10);
}

/** What there is to search for, with `objects`, most of them first, as older apps read it. */
export function withObjects(told: Fields): Fields {
  const things = (told.things ?? []) as { class: string; photos: number }[];
  const objects = things
    .map((one) => ({ class: one.class, count: one.photos }))
    .sort((one, other) => other.count - one.count);
  return { ...told, objects };
}

function asResult(result: Fields, described: boolean): Fields {
  const evidence = result.evidence as Evidence[];
  const of = (source: string) => evidence.filter((one) => one.source === source);
  const named = (source: string) => of(source).flatMap((one) => one.name ?? one.class ?? []);
  const similarities = evidence.flatMap((one) => one.similarity ?? []);
  const optional = {
    description: described ? of("caption")[0]?.excerpt : undefined,
    extracted_text: described ? of("text")[0]?.excerpt : undefined,
    matched_faces: some(named("person")),
    matched_objects: some(named("thing")),
    matched_location: named("place")[0],
  };
  return {
    ...result,
    similarity: similarities.length > 0 ? Math.max(...similarities) : 1,
    ...Object.fromEntries(Object.entries(optional).filter(([_, value]) => value !== undefined)),
  };
}

function some<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function asParsed(understood: Fields): Fields {
  const parts = ((understood.parts ?? []) as Fields[]).filter((part) => !part.not);
  const date = parts.find((part) => part.kind === "date");
  return {
    semantic_query: understood.semantic ?? "",
    locations: parts.filter((part) => part.kind === "place").map((part) => part.name),
    date_start: date?.since ?? null,
    date_end: date?.before === undefined ? null : dayBefore(date.before as string),
  };
}
