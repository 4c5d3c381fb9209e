import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { search } from "./search.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const CLOCK = { now: () => 0, sleep: () => Promise.resolve() };

type Args = Record<string, unknown>;

/** Answers every question the same, and remembers it. */
function database(answers: Record<string, unknown> = {}) {
  const calls: [name: string, args: Args][] = [];
  const call = (name: string, args: Args) => {
    calls.push([name, args]);
    if (name === "ask_search") return Promise.resolve({ status: "ready" });
    return Promise.resolve(answers[name] ?? { results: [], next: null, left_out: [] });
  };
  const ask = (body: unknown, path = "search") =>
    search(CLOCK)(body, call as never, path) as Promise<Args>;
  return { calls, ask };
}

function part(facts: Args): Args {
  return { from: 0, to: 0, not: false, ...facts };
}

const FOUND = {
  results: [
    {
      asset_id: A,
      thumbnail_url: "t",
      evidence: [
        { source: "picture", similarity: 0.31 },
        { source: "caption", excerpt: "a dog" },
        { source: "text", excerpt: "beware" },
        { source: "person", name: "Anna" },
        { source: "thing", class: "dog", count: 2, confidence: 0.9 },
        { source: "place", name: "Lisbon" },
      ],
    },
    { asset_id: B, thumbnail_url: null, evidence: [{ source: "name", excerpt: "dog.jpg" }] },
  ],
  next: null,
  left_out: [],
  status: "ready",
  understood: {
    semantic: "a dog",
    parts: [
      part({ kind: "place", name: "Lisbon" }),
      part({ kind: "date", since: "2025-06-01", before: "2025-09-01" }),
    ],
  },
};

Deno.test("older apps read what was found by its old names", async () => {
  const { ask } = database({ search: FOUND });
  const answer = await ask({ query: "a dog in Lisbon last summer" });
  const [first, second] = answer.results as Args[];
  const { evidence: _, ...read } = first;
  same(read, {
    asset_id: A,
    thumbnail_url: "t",
    similarity: 0.31,
    description: "a dog",
    extracted_text: "beware",
    matched_faces: ["Anna"],
    matched_objects: ["dog"],
    matched_location: "Lisbon",
  });
  same([second.asset_id, second.similarity], [B, 1]);
  same([answer.status, answer.total, answer.processing_time_ms], ["success", 2, 0]);
  same(answer.query_parsed, {
    semantic_query: "a dog",
    locations: ["Lisbon"],
    date_start: "2025-06-01",
    date_end: "2025-08-31",
  });
});

Deno.test("limit, offset and threshold count", async () => {
  const { calls, ask } = database({ search: FOUND });
  const answer = await ask({ query: "a dog", limit: 200, offset: 400, threshold: 0.5 });
  same(calls.at(-1), ["search", { p_text: "a dog", p_limit: 200, p_offset: 400, p_parts: [] }]);
  same((answer.results as Args[]).map((one) => one.asset_id), [B]);
  same(answer.total, 1);
});

Deno.test("without descriptions there are none", async () => {
  const { ask } = database({ search: FOUND });
  const [first] = (await ask({ query: "a dog", include_descriptions: false })).results as Args[];
  same([first.description, first.extracted_text], [undefined, undefined]);
});

for (
  const [filters, parts] of [
    [{ date_start: "2025-06-01" }, [{ kind: "date", since: "2025-06-01" }]],
    [{ date_end: "2025-12-31T00:00:00Z" }, [{ kind: "date", before: "2026-01-01" }]],
    [{ date_start: "2024-02-28", date_end: "2024-02-28" }, [
      { kind: "date", since: "2024-02-28", before: "2024-02-29" },
    ]],
    [{ locations: ["Oslo", "Rome"] }, [{ kind: "place", name: "Oslo", ids: ["Rome"] }]],
    [{ locations: [] }, []],
    [{ people: [A, B] }, [{ kind: "person", ids: [A] }, { kind: "person", ids: [B] }]],
    [{ media_type: "image" }, [{ kind: "media", media: "photo" }]],
    [{ media_type: "photo" }, [{ kind: "media", media: "photo" }]],
    [{ media_type: "video" }, [{ kind: "media", media: "video" }]],
    [{ has_faces: true }, [{ kind: "faces" }]],
    [{ has_faces: false }, [{ kind: "faces", not: true }]],
    [{ has_text: true }, [{ kind: "writing" }]],
    [{ has_text: false }, [{ kind: "writing", not: true }]],
    [{ description_query: "a kite" }, [{ kind: "text", text: "a kite" }]],
    [{ text_query: "receipt" }, [{ kind: "text", text: "receipt" }]],
    [{ object_classes: ["Dog", "cat"] }, [
      { kind: "things", class: "dog", least: 1 },
      { kind: "things", class: "cat", least: 1 },
    ]],
  ] as [Args, Args[]][]
) {
  for (const path of ["search", "combined"]) {
    Deno.test(`${path} is narrowed by ${JSON.stringify(filters)}`, async () => {
      const { calls, ask } = database();
      await ask({ query: "a dog", filters }, path);
      same(calls.at(-1), [
        "search",
        { p_text: "a dog", p_limit: 50, p_parts: parts.map(part) },
      ]);
    });
  }
}

Deno.test("filters alone are searched for", async () => {
  const { calls, ask } = database();
  const answer = await ask({ filters: { has_faces: true }, limit: 60 }, "combined");
  const understood = { text: "", semantic: "", parts: [part({ kind: "faces" })] };
  same(calls, [["rank_search", { p_understood: understood, p_limit: 60 }]]);
  same(answer.total, 0);
});

for (const path of ["by-text", "by-description"]) {
  Deno.test(`${path} finds what says just that`, async () => {
    const { calls, ask } = database();
    await ask({ query: "total 12", limit: 5 }, path);
    const understood = { text: "", semantic: "", parts: [{ kind: "text", text: "total 12" }] };
    same(calls, [["rank_search", { p_understood: understood, p_limit: 5 }]]);
  });
}

Deno.test("a thing is found where it is sure enough", async () => {
  const { calls, ask } = database({ rank_search: FOUND });
  const sure = await ask({ object_class: "Dog", min_confidence: 0.9, limit: 7 }, "by-object");
  const understood = {
    text: "",
    semantic: "",
    parts: [part({ kind: "things", class: "dog", least: 1 })],
  };
  same(calls, [["rank_search", { p_understood: understood, p_limit: 7 }]]);
  same(sure.total, 2);
  same((await ask({ object_class: "dog", min_confidence: 0.91 }, "by-object")).total, 1);
});

Deno.test("somebody is found by contact or cluster, as surely as is asked", async () => {
  const { calls, ask } = database();
  await ask({ contact_id: A, threshold: 0.6, limit: 5 }, "by-face");
  await ask({ cluster_id: B }, "by-face");
  same(calls, [
    ["search_alike", { p_contact_id: A, p_least: 0.6, p_limit: 5 }],
    ["search_alike", { p_cluster_id: B, p_least: undefined, p_limit: 50 }],
  ]);
});

Deno.test("things are told with counts, most first", async () => {
  const things = [{ class: "cat", photos: 1 }, { class: "dog", photos: 3 }];
  const { ask } = database({ list_things: { things, next: null } });
  const answer = await ask({}, "objects");
  same(answer.objects, [{ class: "dog", count: 3 }, { class: "cat", count: 1 }]);
  same(answer.things, things);
});

Deno.test("suggestions are for a query, too", async () => {
  const { calls, ask } = database({ suggest_search: { suggestions: [] } });
  same(await ask({ query: "li", limit: 5 }, "suggestions"), { suggestions: [] });
  same(calls, [["suggest_search", { p_prefix: "li", p_limit: 5 }]]);
});

for (
  const [path, body, field] of [
    ["search", { query: "" }, "query"],
    ["search", { query: "x".repeat(501) }, "query"],
    ["search", { query: "x", limit: 201 }, "limit"],
    ["search", { query: "x", threshold: 2 }, "threshold"],
    ["search", { query: "x", colour: "red" }, "colour"],
    ["search", { query: "x", filters: { colour: "red" } }, "colour"],
    ["search", { query: "x", filters: { date_start: "soon" } }, "date_start"],
    ["search", { query: "x", filters: { date_end: "2025-13-01" } }, "date_end"],
    ["search", { query: "x", filters: { people: ["me"] } }, "people[0]"],
    ["combined", {}, "query"],
    ["combined", { filters: {} }, "query"],
    ["by-text", {}, "query"],
    ["by-object", {}, "object_class"],
    ["by-face", {}, "contact_id"],
    ["by-face", { contact_id: A, cluster_id: B }, "contact_id"],
    ["by-face", { face_embedding: [0.5] }, "face_embedding"],
  ] as [string, Args, string][]
) {
  Deno.test(`${path} ${JSON.stringify(body).slice(0, 60)} is refused for its ${field}`, async () => {
    const { calls, ask } = database();
    await rejects(ask(body, path), { code: "bad_params", field });
    same(calls, []);
  });
}
