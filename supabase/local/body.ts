// Bodies of requests, read within bounds of length and patience.

/** Raised as soon as a body is longer than allowed. */
export class BodyTooLong extends Error {}

/** Raised when no byte of a body has come for too long. */
export class BodyTooSlow extends Error {}

const SILENCE_MS = 60_000;

type Read<T> = () => Promise<T>;

/** What a read answers, unless it takes longer than a client may be silent. */
export async function inTime<T>(read: Read<T>, silence = SILENCE_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new BodyTooSlow()), silence);
  });
  try {
    return await Promise.race([read(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Refuses a body that says by itself that it is too long, before a byte of it is read. */
export function refuseDeclared(request: Request, mostBytes: number): void {
  if (Number(request.headers.get("content-length") ?? 0) > mostBytes) throw new BodyTooLong();
}

/** A body as a stream that fails beyond `mostBytes` and after a silence, which `failed` is told first. */
export function bounded(
  body: ReadableStream<Uint8Array>,
  mostBytes: number,
  failed: (error: unknown) => void = () => {},
  silence = SILENCE_MS,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let size = 0;
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await inTime(() => reader.read(), silence);
        if (done) return controller.close();
        size += value.byteLength;
        if (size > mostBytes) throw new BodyTooLong();
        controller.enqueue(value as Uint8Array<ArrayBuffer>);
      } catch (error) {
        failed(error);
        await letGo(reader);
        controller.error(error);
      }
    },
    cancel: () => letGo(reader),
  }, { highWaterMark: 0 });
}

/** A whole body, held in memory. */
export async function wholeBody(
  request: Request,
  mostBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  refuseDeclared(request, mostBytes);
  if (request.body === null) return new Uint8Array();
  return new Uint8Array(await new Response(bounded(request.body, mostBytes)).arrayBuffer());
}

/**
 * Tells the server that nobody will read what is left of a body. A body that is only left lying keeps its
 * sender waiting for ever, with the answer unread (Deno 2.9.8).
 */
export async function letGo(
  body: ReadableStream<Uint8Array> | ReadableStreamDefaultReader<Uint8Array> | null,
): Promise<void> {
  await body?.cancel().catch(() => {});
}
