// Stored objects as plain files. What a file is (its name, its type, its owner) is in its row of
// `storage.objects`; here are only bytes.

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { BodyTooLong, inTime } from "../body.ts";

/** Up to here a file is read at once. */
const HELD_BYTES = 8 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
/** Files that are being written lie here until they are whole. No object does: its folder has two letters. */
const INCOMING = "incoming";

export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Where an object lies: under a digest of its names, because a file's name holds 255 bytes at most and a
 * file `a` leaves no room for a folder `a`, while Storage takes 1024 bytes, and `a` beside `a/b`.
 */
export function objectPath(root: string, bucket: string, key: string): string {
  const digest = createHash("sha256").update(JSON.stringify([bucket, key])).digest("hex");
  return join(root, digest.slice(0, 2), digest.slice(2));
}

/** Removes what uploads left behind that were under way when the gateway was killed. */
export async function clearIncoming(root: string): Promise<void> {
  await Deno.remove(join(root, INCOMING), { recursive: true }).catch(unlessMissing);
}

/** A body's bytes in large pieces, all in one buffer: a piece is good until the next is asked for. */
export async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = readerOf(body);
  try {
    let buffer = new Uint8Array(PIECE_BYTES);
    while (true) {
      const { value, done } = await inTime(() => reader.read(buffer));
      if (done) return;
      yield value;
      buffer = new Uint8Array(value.buffer);
    }
  } finally {
    // Dropped here as well when nobody asks for the rest, without which the sender would wait for ever.
    await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

interface Reader {
  read(buffer: Bytes): Promise<{ value: Bytes; done: false } | { value?: unknown; done: true }>;
  cancel(): Promise<void>;
  releaseLock(): void;
}

function readerOf(body: ReadableStream<Uint8Array>): Reader {
  try {
    return body.getReader({ mode: "byob" }) as unknown as Reader;
  } catch {
    // A short body has arrived with its headers, and comes as a stream of another kind.
    return body.getReader() as unknown as Reader;
  }
}

/** A file being written where no reader looks. */
export interface Aside {
  size: number;
  /** Names the bytes, as S3 names those of a file that came in one piece: the same bytes have the same name. */
  eTag: string;
  /** Puts it in its place: readers see the old bytes or the new ones, never a part. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

export async function writeAside(
  root: string,
  path: string,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  mostBytes = Infinity,
): Promise<Aside> {
  const aside = join(root, INCOMING, crypto.randomUUID());
  await makeFolder(dirname(aside));
  const file = await Deno.open(aside, { write: true, createNew: true, mode: 0o600 });
  const discard = () => Deno.remove(aside).catch(unlessMissing);
  const digest = createHash("md5");
  let size = 0;
  try {
    for await (const piece of body) {
      size += piece.byteLength;
      if (size > mostBytes) throw new BodyTooLong();
      digest.update(piece);
      for (let at = 0; at < piece.byteLength;) at += await file.write(piece.subarray(at));
    }
  } catch (error) {
    await discard();
    throw error;
  } finally {
    file.close();
  }
  const keep = async () => {
    await makeFolder(dirname(path));
    await Deno.rename(aside, path);
  };
  return { size, eTag: `"${digest.digest("hex")}"`, keep, discard };
}

function makeFolder(path: string): Promise<void> {
  return Deno.mkdir(path, { recursive: true, mode: 0o700 });
}

export interface Stat {
  size: number;
  changed: Date;
  /** For a file whose row does not name its bytes. */
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
