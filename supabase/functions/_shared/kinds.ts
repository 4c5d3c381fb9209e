// Made by scripts/make-kinds from the params of the worker's handlers: change those instead.
/**
 * What each kind of job accepts in `params`, so that an app learns of a typing error at once instead of
 * from a failed job. It is a courtesy, not the gate: the database decides which kinds exist and the worker's
 * own schema what their params mean. A kind that is not listed here is passed on as given.
 */

import { boolean, type Check, integer, listOf, oneOf, someOrAll, text } from "./checks.ts";

export const PARAMS = new Map<string, Record<string, Check>>([
  ["cluster_faces", {}],
  ["generate_moments", {}],
  ["image_ai", {
    operations: someOrAll("describe", "embedding", "faces", "hashes", "objects", "ocr", "quality"),
    image_url: text(4096),
    detail_level: oneOf("brief", "medium", "detailed"),
  }],
  ["locate_photos", { again: boolean }],
  ["optimize_image", {
    input_url: text(4096),
    input_orientation: integer(1, 8),
    needs_web_version: boolean,
    generate_thumbnail: boolean,
    generate_web_version: boolean,
  }],
  ["search", {
    text: text(500),
    today: text(10),
    language: text(3),
    hemisphere: oneOf("north", "south"),
    without: listOf(integer(0, 500), 20),
    words: text(32),
  }],
  ["understand", {
    text: text(500),
    today: text(10),
    language: text(3),
    hemisphere: oneOf("north", "south"),
    without: listOf(integer(0, 500), 20),
    words: text(32),
  }],
]);

/** Kinds whose jobs are each about one asset. */
export const ABOUT_AN_ASSET: ReadonlySet<string> = new Set(["image_ai", "optimize_image"]);

/** Other names that existing apps use. */
export const ALIASES: ReadonlyMap<string, string> = new Map([["process_image", "image_ai"]]);
