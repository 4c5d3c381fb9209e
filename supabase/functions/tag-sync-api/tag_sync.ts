import {
  fieldsOf,
  idList,
  integer,
  isGiven,
  listOf,
  number,
  oneOf,
  record,
  uuid,
} from "../_shared/checks.ts";
import { RequestError } from "../_shared/errors.ts";
import type { Verb } from "../_shared/queue.ts";

const PHOTOS = { asset_ids: idList(1000), limit: integer(1, 200), after: record };
const ACTION = { action: oneOf("link", "merge") };
const MOST_MATCHES = 200;
const IN_COMMON = 0.3; // of two boxes, by intersection over union, from which they match

/** What the database says of a tag that somebody drew: which face it is about, and what follows. */
interface Tag {
  tag_id: string;
  contact_id: string;
  name: string | null;
  bounding_box: unknown;
  face_id: string | null;
  overlap: number | null;
  status: string;
  why: string | null;
}

interface Face {
  face_id: string;
  [more: string]: unknown;
}

interface Photo {
  tags: Tag[];
  faces: Face[];
  [more: string]: unknown;
}

/**
 * POST tag-sync-api/preview {asset_ids?, iou_threshold?, limit?, after?} → {assets, summary, next}: which of the
 * caller's own tags of people are about which faces, with `status` matched, low_confidence (too little in common
 * to be sure) or conflict (somebody said something else of the face, and `why`).
 *
 * POST tag-sync-api/apply {matches: [{manual_tag_id, ai_face_id}], action?} → {status, linked, contacts}: names
 * these faces. Without matches, {asset_ids?, limit?, after?} → {status, linked, next}: names all that match.
 */
export async function tagSync(body: unknown, call: Verb, path: string): Promise<unknown> {
  const request = record(body, "body");
  if (path === "preview") return await preview(request, call);
  if (path !== "apply") {
    throw new RequestError("not_found", "expected tag-sync-api/preview or tag-sync-api/apply");
  }
  return isGiven(request.matches) ? await link(request, call) : await apply(request, call);
}

async function preview(request: Record<string, unknown>, call: Verb): Promise<unknown> {
  const { iou_threshold = IN_COMMON, ...photos } = fieldsOf(request, {
    ...PHOTOS,
    iou_threshold: number(0.1, 0.9),
  });
  const { assets, next } = await call("preview_tag_sync", asked(photos)) as {
    assets: Photo[];
    next: unknown;
  };
  const told = assets.map(({ tags, faces, ...photo }) => ({
    ...photo,
    manual_tags: tags.map(({ tag_id, contact_id, name, bounding_box }) => ({
      id: tag_id,
      contact_id,
      tag_value: name,
      bounding_box,
    })),
    ai_detections: faces.map(({ face_id, tag_id: _, ...face }) => ({ id: face_id, ...face })),
    matches: tags.filter(({ face_id }) => face_id !== null).map((tag) => ({
      manual_tag_id: tag.tag_id,
      ai_face_id: tag.face_id,
      iou_score: tag.overlap,
      status: statusOf(tag, iou_threshold as number),
      why: tag.why,
    })),
  }));
  const matches = told.flatMap((photo) => photo.matches);
  const tags = told.flatMap((photo) => photo.manual_tags).length;
  const faces = told.flatMap((photo) => photo.ai_detections).length;
  return {
    assets: told,
    summary: {
      total_assets: told.length,
      total_manual_tags: tags,
      total_ai_faces: faces,
      matched: matches.filter(({ status }) => status === "matched").length,
      unmatched_manual: tags - matches.length,
      unmatched_ai: faces - matches.length,
    },
    next,
  };
}

function statusOf({ status, overlap }: Tag, threshold: number): string {
  if (status === "conflict") return status;
  return (overlap ?? 0) >= threshold ? "matched" : "low_confidence";
}

/** Apps say whether they `link` or `merge`: the face gets the tag's contact, and the tag stays, in either case. */
async function link(request: Record<string, unknown>, call: Verb): Promise<unknown> {
  const { matches } = fieldsOf(request, {
    ...ACTION,
    matches: listOf(matchOf, MOST_MATCHES),
  });
  return { status: "applied", ...await call("link_tags", { p_links: matches }) as object };
}

function matchOf(value: unknown, field: string): unknown {
  const { manual_tag_id, ai_face_id } = record(value, field);
  return {
    tag_id: uuid(manual_tag_id, `${field}.manual_tag_id`),
    face_id: uuid(ai_face_id, `${field}.ai_face_id`),
  };
}

async function apply(request: Record<string, unknown>, call: Verb): Promise<unknown> {
  const photos = fieldsOf(request, { ...PHOTOS, ...ACTION });
  const { summary, next } = await call("apply_tag_sync", asked(photos)) as {
    summary: { link: number };
    next: unknown;
  };
  return { status: "applied", linked: summary.link, next };
}

function asked({ asset_ids, limit, after }: Record<string, unknown>): Record<string, unknown> {
  return {
    ...(isGiven(asset_ids) && { p_asset_ids: asset_ids }),
    ...(isGiven(limit) && { p_limit: limit }),
    ...(isGiven(after) && { p_after: after }),
  };
}
