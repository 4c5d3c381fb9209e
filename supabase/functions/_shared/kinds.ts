/**
 * What each kind of job accepts in `params`, so that an app learns of a typing error at once instead
 * of from a failed job. It is a courtesy, not the gate: the database decides which kinds exist and the
 * worker's own schema what their params mean. A kind that is not listed here is passed on as given; the
 * listed ones are each about one asset.
 */

import { boolean, type Check, integer, oneOf, someOf, text } from "./checks.ts";

const URL_LENGTH = 4096; // signed URLs run to about 1,000 characters

const IMAGE_AI: Record<string, Check> = {
  operations: operations,
  image_url: text(URL_LENGTH),
  detail_level: oneOf("brief", "medium", "detailed"),
};

const OPTIMIZE_IMAGE: Record<string, Check> = {
  input_url: text(URL_LENGTH),
  input_orientation: integer(1, 8), // the values of EXIF
  needs_web_version: boolean,
  generate_thumbnail: boolean,
  generate_web_version: boolean,
};

const TRANSCODE_VIDEO: Record<string, Check> = {
  target_resolution: oneOf("480p", "720p", "1080p", "original"),
  quality_preset: oneOf("low", "medium", "high", "lossless"),
};

export const PARAMS: ReadonlyMap<string, Record<string, Check>> = new Map([
  ["image_ai", IMAGE_AI],
  ["optimize_image", OPTIMIZE_IMAGE],
  ["transcode_video", TRANSCODE_VIDEO],
]);

/** Other names that existing apps use. */
export const ALIASES: ReadonlyMap<string, string> = new Map([["process_image", "image_ai"]]);

function operations(value: unknown, field: string): string[] {
  const check = someOf("embedding", "objects", "faces", "ocr", "describe", "hashes", "all");
  const chosen = check(value, field) as string[];
  return chosen.includes("all") ? ["all"] : chosen;
}
