// Stored objects as plain files under `<root>/<bucket>/<key>`. What a file is (its type, its owner)
// is in its row of `storage.objects`; here are only bytes.

import { dirname, join } from "node:path";

/** Up to here a file is read at once. */
const HELD_BYTES = 8 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;

export type Bytes = Uint8Array<ArrayBuffer>;

/** Where an object lies. No name can leave its bucket, and no two names share a file. */
export function objectPath(root: string, bucket: string, key: string): string {
  return join(root, ...[bucket, ...key.split("/")].map(fileName));
}

function fileName(part: string): string {
  if (part === "") return "%";
  if (part === "." || part === "..") return part.replaceAll(".", "%2E");
  return encodeURIComponent(part);
}

/** A body's bytes in large pieces, all in one buffer: a piece is good until the next is asked for. */
export async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = body.getReader({ mode: "byob" });
  } catch {
    // A short body has arrived with its headers, and comes as a stream of another kind.
    return yield* body;
  }
  try {
    let buffer = new Uint8Array(PIECE_BYTES);
    while (true) {
      const { value, done } = await reader.read(buffer);
      if (done) return;
      yield value;
      buffer = new Uint8Array(value.buffer);
    }
  } finally {
    reader.releaseLock();
  }
}

/** A file being written beside its place, where no reader looks. */
export interface Aside {
  size: number;
  /** Puts it in its place: readers see the old bytes or the new ones, never a part. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/** Raised as soon as a body is longer than allowed. */
export class BodyTooLong extends Error {}

export async function writeAside(
  path: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  mostBytes = Infinity,
): Promise<Aside> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const aside = join(dirname(path), `.${crypto.randomUUID()}.part`);
  const file = await Deno.open(aside, { write: true, createNew: true });
  const discard = () => Deno.remove(aside).catch(unlessMissing);
  let size = 0;
  try {
    for await (const piece of body) {
      size += piece.byteLength;
      if (size > mostBytes) throw new BodyTooLong();
      for (let at = 0; at < piece.byteLength;) at += await file.write(piece.subarray(at));
    }
  } catch (error) {
    await discard();
    throw error;
  } finally {
    file.close();
  }
  return { size, keep: () => Deno.rename(aside, path), discard };
}

export interface Stat {
  size: number;
  changed: Date;
  eTag: string;
}

export async function statOf(path: string): Promise<Stat> {
  const { size, mtime } = await Deno.stat(path);
  const changed = mtime ?? new Date(0);
  return { size, changed, eTag: `"${changed.getTime().toString(16)}-${size.toString(16)}"` };
}

/** `length` bytes from `start`: small ones at once, large ones piece by piece. */
export async function bodyOf(path: string, start: number, length: number): Promise<BodyInit> {
  const file = await Deno.open(path, { read: true });
  if (length > HELD_BYTES) return pieces(file, start, length);
  try {
    await file.seek(start, Deno.SeekMode.Start);
    return await readExactly(file, length);
  } finally {
    file.close();
  }
}

function pieces(file: Deno.FsFile, start: number, length: number): ReadableStream<Bytes> {
  let left = length;
  return new ReadableStream({
    start: () => file.seek(start, Deno.SeekMode.Start).then(() => {}),
    async pull(controller) {
      try {
        const piece = await readExactly(file, Math.min(left, PIECE_BYTES));
        left -= piece.byteLength;
        controller.enqueue(piece);
        if (left > 0) return;
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      file.close();
    },
    cancel: () => file.close(),
  });
}

async function readExactly(file: Deno.FsFile, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = await file.read(bytes.subarray(at));
    if (count === null) throw new Error("the file is shorter than it was");
    at += count;
  }
  return bytes;
}

export async function removeFile(path: string): Promise<void> {
  await Deno.remove(path).catch(unlessMissing);
}

/** One at a time for each key: a delete must not take away what an upload has just put there. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(key: string, act: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(act, act);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
