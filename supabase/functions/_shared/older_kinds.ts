/** Kinds that existing apps ask for and no worker of this version runs: their params are checked all the same. */

import { type Check, oneOf } from "./checks.ts";

export const OLDER_PARAMS: ReadonlyMap<string, Record<string, Check>> = new Map([
  ["transcode_video", {
    target_resolution: oneOf("480p", "720p", "1080p", "original"),
    quality_preset: oneOf("low", "medium", "high", "lossless"),
  }],
]);
