import { deepStrictEqual as same, throws } from "node:assert/strict";
import { RequestError } from "./errors.ts";
import { cancelCalls, enqueueCalls, MOST_PER_REQUEST } from "./jobs.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

Deno.test("one asset makes one call with the params of its kind", () => {
  const body = { kind: "optimize_image", asset_id: A, params: { needs_web_version: true } };
  same(enqueueCalls(body), [
    { p_kind: "optimize_image", p_asset_id: A, p_params: { needs_web_version: true } },
  ]);
});

Deno.test("each asset makes one call, once, in the order given", () => {
  const body = { kind: "optimize_image", asset_ids: [B, A, B.toUpperCase()] };
  same(enqueueCalls(body).map((call) => call.p_asset_id), [B, A]);
});

Deno.test("job_type is another name for kind, and process_image for image_ai", () => {
  same(enqueueCalls({ job_type: "process_image", asset_id: A })[0].p_kind, "image_ai");
});

Deno.test("params may stand beside the envelope, as existing apps put operations", () => {
  const body = { kind: "image_ai", asset_id: A, operations: ["faces"] };
  same(enqueueCalls(body)[0].p_params, { operations: ["faces"] });
});

Deno.test("the same operations in another order are the same job", () => {
  const params = (operations: string[]) =>
    enqueueCalls({ kind: "image_ai", asset_id: A, operations })[0].p_params;
  same(params(["ocr", "faces", "ocr"]), params(["faces", "ocr"]));
  same(params(["faces", "all"]), { operations: ["all"] });
});

Deno.test("how much a description says is for the app to choose", () => {
  const body = { kind: "image_ai", asset_id: A, operations: ["describe"], detail_level: "brief" };
  same(enqueueCalls(body)[0].p_params, { operations: ["describe"], detail_level: "brief" });
});

Deno.test("null is the same as leaving a param out", () => {
  const body = { kind: "optimize_image", asset_id: A, params: { input_orientation: null } };
  same(enqueueCalls(body)[0].p_params, {});
});

Deno.test("priority and run_at are passed on, run_at in UTC", () => {
  const body = {
    kind: "image_ai",
    asset_id: A,
    priority: 200,
    run_at: "2026-05-01T09:30:00+02:00",
  };
  const [call] = enqueueCalls(body);
  same([call.p_priority, call.p_run_at], [200, "2026-05-01T07:30:00.000Z"]);
});

Deno.test("a kind this function has no list for is left to the database, params and all", () => {
  const body = { kind: "made_tomorrow", asset_id: A, params: { depth: { of: [1, 2] } } };
  same(enqueueCalls(body)[0], {
    p_kind: "made_tomorrow",
    p_asset_id: A,
    p_params: { depth: { of: [1, 2] } },
  });
});

Deno.test("a kind that may be about no asset is asked for once", () => {
  same(enqueueCalls({ kind: "made_tomorrow" }), [
    { p_kind: "made_tomorrow", p_asset_id: null, p_params: {} },
  ]);
});

Deno.test("a param named like a built-in property is only a param", () => {
  const body = JSON.parse(`{"kind":"made_tomorrow","asset_id":"${A}","params":{"__proto__":1}}`);
  same(JSON.stringify(enqueueCalls(body)[0].p_params), '{"__proto__":1}');
});

const image = { kind: "image_ai", asset_id: A };
const optimize = { kind: "optimize_image", asset_id: A };
const video = { kind: "transcode_video", asset_id: A };
const tooMany = Array.from(
  { length: MOST_PER_REQUEST + 1 },
  (_, n) => `${String(n).padStart(8, "0")}${A.slice(8)}`,
);

const REFUSED: [body: unknown, field: string][] = [
  [null, "body"],
  ["image_ai", "body"],
  [[image], "body"],
  [{ asset_id: A }, "kind"],
  [{ ...image, job_type: "image_ai" }, "kind"],
  [{ ...image, kind: 7 }, "kind"],
  [{ ...image, kind: "Image AI" }, "kind"],
  [{ job_type: "image-ai", asset_id: A }, "job_type"],
  [{ kind: "image_ai" }, "asset_id"],
  [{ ...image, asset_ids: [B] }, "asset_id"],
  [{ ...image, asset_id: "42" }, "asset_id"],
  [{ ...image, asset_id: [A] }, "asset_id"],
  [{ kind: "image_ai", asset_ids: [] }, "asset_ids"],
  [{ kind: "image_ai", asset_ids: A }, "asset_ids"],
  [{ kind: "image_ai", asset_ids: tooMany }, "asset_ids"],
  [{ kind: "image_ai", asset_ids: [A, "x"] }, "asset_ids[1]"],
  [{ ...image, params: [] }, "params"],
  [{ ...image, params: { operation: ["ocr"] } }, "params.operation"],
  [{ ...image, user_id: B }, "user_id"],
  [{ ...image, operations: "ocr" }, "operations"],
  [{ ...image, operations: [] }, "operations"],
  [{ ...image, params: { operations: ["ocr", "dance"] } }, "params.operations[1]"],
  [{ ...image, operations: ["ocr"], params: { operations: ["ocr"] } }, "operations"],
  [{ ...image, image_url: " " }, "image_url"],
  [{ ...image, image_url: "x".repeat(5000) }, "image_url"],
  [{ ...image, detail_level: "poetic" }, "detail_level"],
  [{ ...image, priority: -1 }, "priority"],
  [{ ...image, priority: 1001 }, "priority"],
  [{ ...image, priority: 1.5 }, "priority"],
  [{ ...image, run_at: "tomorrow" }, "run_at"],
  [{ ...image, run_at: "2026-05-01T09:30:00" }, "run_at"],
  [{ ...image, run_at: "2026-13-01T09:30:00Z" }, "run_at"],
  [{ ...optimize, params: { input_orientation: 0 } }, "params.input_orientation"],
  [{ ...optimize, params: { input_orientation: 9 } }, "params.input_orientation"],
  [{ ...optimize, params: { input_orientation: "6" } }, "params.input_orientation"],
  [{ ...optimize, params: { needs_web_version: "yes" } }, "params.needs_web_version"],
  [{ ...optimize, generate_thumbnail: 1 }, "generate_thumbnail"],
  [{ ...video, target_resolution: "4k" }, "target_resolution"],
  [{ ...video, quality_preset: "best" }, "quality_preset"],
];

for (const [body, field] of REFUSED) {
  Deno.test(`refused, naming ${field}: ${JSON.stringify(body).slice(0, 90)}`, () => {
    throws(() => enqueueCalls(body), isBadParams(field));
  });
}

Deno.test("every job to cancel makes one call", () => {
  same(cancelCalls({ job_id: A }), [{ p_id: A }]);
  same(cancelCalls({ job_ids: [A, B, A] }), [{ p_id: A }, { p_id: B }]);
});

Deno.test("cancel takes job ids and nothing else", () => {
  throws(() => cancelCalls({}), isBadParams("job_id"));
  throws(() => cancelCalls({ job_id: "1" }), isBadParams("job_id"));
  throws(() => cancelCalls({ job_ids: [A, 1] }), isBadParams("job_ids[1]"));
  throws(() => cancelCalls({ job_id: A, user_id: B }), isBadParams("user_id"));
});

function isBadParams(field: string): (error: unknown) => boolean {
  return (error) => {
    same(error instanceof RequestError && [error.code, error.field], ["bad_params", field]);
    return true;
  };
}

Deno.test("a new job after the last one has ended must be asked for by force", () => {
  same(enqueueCalls({ kind: "optimize_image", asset_id: A, force: true })[0].p_force, true);
  throws(
    () => enqueueCalls({ kind: "optimize_image", asset_id: A, force: "yes" }),
    isBadParams("force"),
  );
});
