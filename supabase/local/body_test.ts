import { deepStrictEqual as equal, rejects, strictEqual as same } from "node:assert";
import { BodyTooLong, BodyTooSlow, bounded, wholeBody } from "./body.ts";

/** A body that tells how much of it was asked for, and whether it was let go. */
function watched(pieces: number, size = 10) {
  const seen = { asked: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (seen.asked++ === pieces) return controller.close();
      controller.enqueue(new Uint8Array(size));
    },
    cancel() {
      seen.cancelled = true;
    },
  }, { highWaterMark: 0 });
  return { body, seen };
}

function post(body: ReadableStream<Uint8Array>, headers: HeadersInit = {}): Request {
  return new Request("http://localhost/", { method: "POST", body, headers });
}

Deno.test("a body within its bound is read whole", async () => {
  same((await wholeBody(post(watched(3).body), 30)).byteLength, 30);
  same((await wholeBody(new Request("http://localhost/"), 30)).byteLength, 0);
});

Deno.test("a body that says it is too long is not touched", async () => {
  const { body, seen } = watched(3);
  await rejects(wholeBody(post(body, { "content-length": "31" }), 30), BodyTooLong);
  equal(seen, { asked: 0, cancelled: false });
});

Deno.test("a body that turns out too long is let go there", async () => {
  const { body, seen } = watched(1000);
  await rejects(wholeBody(post(body), 30), BodyTooLong);
  equal(seen, { asked: 4, cancelled: true });
});

Deno.test("a body that falls silent is let go, and whoever bounded it is told", async () => {
  let cancelled = false;
  let told: unknown;
  const silent = new ReadableStream<Uint8Array>({
    pull: () => new Promise(() => {}),
    cancel() {
      cancelled = true;
    },
  });
  const body = bounded(silent, 30, (error) => told = error, 1);
  await rejects(body.getReader().read(), BodyTooSlow);
  same(told instanceof BodyTooSlow, true);
  same(cancelled, true);
});
