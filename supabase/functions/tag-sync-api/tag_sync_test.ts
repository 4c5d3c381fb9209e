import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { tagSync } from "./tag_sync.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

/** A database that answers so, and what it was asked. */
function database(answer: unknown) {
  const asked: [name: string, args: unknown][] = [];
  return {
    asked,
    call: (name: string, args: unknown) => {
      asked.push([name, args]);
      return Promise.resolve(answer);
    },
  };
}

function tag(number: number, status: string, overlap: number | null, why: string | null = null) {
  const face_id = overlap === null ? null : `face ${number}`;
  const about = { contact_id: "ada", name: "Ada", bounding_box: { x: number }, face_id };
  return { tag_id: `tag ${number}`, ...about, overlap, status, why };
}

const FACE = { contact_id: null, said: false, bounding_box: {}, thumbnail_url: "crop" };
const PAGE = {
  assets: [{
    asset_id: A,
    thumbnail_url: "small",
    image_width: 4,
    image_height: 3,
    tags: [
      tag(1, "link", 0.4),
      tag(2, "weak", 0.2),
      tag(3, "conflict", 0.9, "somebody_else"),
      tag(4, "no_face", null),
    ],
    faces: [1, 2, 3, 5, 6].map((number) => ({
      face_id: `face ${number}`,
      ...FACE,
      tag_id: null,
    })),
  }],
  summary: { link: 1 },
  next: { asset_id: A },
};

function matches(answer: unknown): unknown[] {
  return (answer as { assets: { matches: unknown[] }[] }).assets[0].matches;
}

Deno.test("a preview tells tags, faces and what matches as existing apps read it", async () => {
  const { asked, call } = database(PAGE);
  const body = { asset_ids: [A], limit: 10, after: { asset_id: B } };
  const answer = await tagSync(body, call, "preview") as typeof PAGE;
  same(asked, [["preview_tag_sync", {
    p_asset_ids: [A],
    p_limit: 10,
    p_after: { asset_id: B },
  }]]);
  const { manual_tags, ai_detections, ...photo } = answer.assets[0] as unknown as Record<
    string,
    unknown[]
  >;
  same(manual_tags[0], {
    id: "tag 1",
    contact_id: "ada",
    tag_value: "Ada",
    bounding_box: { x: 1 },
  });
  same(ai_detections[3], { id: "face 5", ...FACE });
  same(photo, {
    asset_id: A,
    thumbnail_url: "small",
    image_width: 4,
    image_height: 3,
    matches: [
      {
        manual_tag_id: "tag 1",
        ai_face_id: "face 1",
        iou_score: 0.4,
        status: "matched",
        why: null,
      },
      {
        manual_tag_id: "tag 2",
        ai_face_id: "face 2",
        iou_score: 0.2,
        status: "low_confidence",
        why: null,
      },
      {
        manual_tag_id: "tag 3",
        ai_face_id: "face 3",
        iou_score: 0.9,
        status: "conflict",
        why: "somebody_else",
      },
    ],
  });
  same(answer.summary as unknown, {
    total_assets: 1,
    total_manual_tags: 4,
    total_ai_faces: 5,
    matched: 1,
    unmatched_manual: 1,
    unmatched_ai: 2,
  });
  same(answer.next, { asset_id: A });
});

for (const [threshold, statuses] of [[0.1, ["matched", "matched"]], [0.5, ["low", "low"]]]) {
  Deno.test(`from ${threshold} in common on is for the app to choose`, async () => {
    const answer = await tagSync({ iou_threshold: threshold }, database(PAGE).call, "preview");
    const said = matches(answer).map((match) => (match as { status: string }).status);
    same(said.slice(0, 2).map((status) => status.replace("_confidence", "")), statuses);
    same(said[2], "conflict");
  });
}

Deno.test("matches that were chosen are named", async () => {
  const { asked, call } = database({ linked: 1, contacts: ["ada"] });
  const body = { matches: [{ manual_tag_id: A, ai_face_id: B }], action: "merge" };
  same(await tagSync(body, call, "apply"), { status: "applied", linked: 1, contacts: ["ada"] });
  same(asked, [["link_tags", { p_links: [{ tag_id: A, face_id: B }] }]]);
});

Deno.test("without a choice all that match are named", async () => {
  const { asked, call } = database(PAGE);
  same(await tagSync({ action: "link" }, call, "apply"), {
    status: "applied",
    linked: 1,
    next: { asset_id: A },
  });
  same(asked, [["apply_tag_sync", {}]]);
});

const REFUSED: [path: string, body: unknown, field: string][] = [
  ["preview", null, "body"],
  ["preview", { iou_threshold: 0.05 }, "iou_threshold"],
  ["preview", { limit: 201 }, "limit"],
  ["preview", { asset_ids: Array(1001).fill(A) }, "asset_ids"],
  ["preview", { matches: [] }, "matches"],
  ["apply", { matches: Array(201).fill({ manual_tag_id: A, ai_face_id: B }) }, "matches"],
  ["apply", { matches: [{ manual_tag_id: A }] }, "matches[0].ai_face_id"],
  ["apply", { matches: [A] }, "matches[0]"],
  ["apply", { action: "forget" }, "action"],
];

for (const [path, body, field] of REFUSED) {
  Deno.test(`${path} refuses ${JSON.stringify(body).slice(0, 60)} for its ${field}`, async () => {
    const { asked, call } = database(null);
    await rejects(tagSync(body, call, path), { code: "bad_params", field });
    same(asked, []);
  });
}

Deno.test("another address is not found", async () => {
  await rejects(tagSync({}, database(null).call, "tag-sync-api"), { code: "not_found" });
});
