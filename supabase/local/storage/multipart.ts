// A multipart form read part by part as it arrives, so that a large file is never held whole.

import { Buffer } from "node:buffer";

export interface Part {
  name: string;
  /** Null for a plain field. */
  fileName: string | null;
  contentType: string | null;
  /** To be read to its end before the next part is asked for. */
  body: AsyncIterable<Uint8Array>;
}

/** Raised for a form that breaks off or was never one. */
export class FormError extends Error {}

const MOST_HEADER_BYTES = 16 * 1024;
const BLANK_LINE = Buffer.from("\r\n\r\n");

export function boundaryOf(contentType: string): string | null {
  const found = /^multipart\/form-data\b.*\bboundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  return found?.[1] ?? found?.[2] ?? null;
}

export async function* partsOf(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<Part> {
  const input = new Input(body);
  try {
    yield* parts(input, Buffer.from(`\r\n--${boundary}`));
  } finally {
    await input.close();
  }
}

async function* parts(input: Input, delimiter: Buffer): AsyncGenerator<Part> {
  // The first boundary stands alone; every later one ends the line before it.
  input.prepend(Buffer.from("\r\n"));
  for await (const _ of input.until(delimiter)) {
    // What stands before the first part is nobody's.
  }
  while (true) {
    const after = await input.take(2);
    if (after.equals(Buffer.from("--"))) return;
    input.prepend(after); // A part without headers begins with the blank line.
    const header = (await input.headTo(BLANK_LINE)).toString("utf8");
    const part = { ...described(header), body: input.until(delimiter) };
    yield part;
    for await (const _ of part.body) {
      // Whatever the caller left unread.
    }
  }
}

function described(header: string): Omit<Part, "body"> {
  const disposition = /content-disposition:\s*form-data;?(.*)/i.exec(header)?.[1] ?? "";
  const field = (name: string) =>
    new RegExp(`[;\\s]${name}="([^"]*)"`, "i").exec(` ${disposition}`)?.[1];
  return {
    name: field("name") ?? "",
    fileName: encoded(disposition) ?? field("filename") ?? null,
    contentType: /content-type:\s*([^\r\n]+)/i.exec(header)?.[1].trim() ?? null,
  };
}

/** The name as `filename*`, which wins over `filename` (RFC 6266). */
function encoded(disposition: string): string | null {
  const name = /[;\s]filename\*=utf-8'[^']*'([^;\s]+)/i.exec(` ${disposition}`)?.[1];
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return null;
  }
}

class Input {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);

  constructor(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#source = Symbol.asyncIterator in body
      ? body[Symbol.asyncIterator]()
      : body[Symbol.iterator]();
  }

  /** Lets go of what has not been read. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  prepend(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held]);
  }

  /** A copy, which stays good. */
  async take(count: number): Promise<Buffer> {
    while (this.#held.length < count) await this.#more();
    return Buffer.from(this.#cut(count));
  }

  /** What stands before the mark: a copy, which stays good. */
  async headTo(mark: Buffer): Promise<Buffer> {
    let at: number;
    while ((at = find(this.#held, mark)) < 0 && this.#held.length <= MOST_HEADER_BYTES) {
      await this.#more();
    }
    if (at < 0 || at > MOST_HEADER_BYTES) throw new FormError("a part's header is too long");
    const head = Buffer.from(this.#cut(at));
    this.#cut(mark.length);
    return head;
  }

  /** The bytes before the mark, in pieces; the mark itself is passed over. Ended once, it stays ended. */
  until(mark: Buffer): AsyncGenerator<Uint8Array> {
    return this.#until(mark);
  }

  async *#until(mark: Buffer): AsyncGenerator<Uint8Array> {
    while (true) {
      const at = find(this.#held, mark);
      if (at >= 0) {
        const piece = this.#cut(at);
        this.#cut(mark.length);
        if (piece.length > 0) yield piece;
        return;
      }
      // The mark's beginning may be the end of what is here.
      const safe = this.#held.length - mark.length + 1;
      if (safe > 0) yield this.#cut(safe);
      await this.#more();
    }
  }

  #cut(count: number): Buffer {
    const piece = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return piece;
  }

  async #more(): Promise<void> {
    // The source may fill the buffer anew that we still hold the end of.
    const held = Buffer.from(this.#held);
    const { value, done } = await this.#source.next();
    if (done) throw new FormError("the form breaks off");
    const piece = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.#held = held.length === 0 ? piece : Buffer.concat([held, piece]);
  }
}

/** Where `mark` begins. Typed arrays look for one byte natively; `Buffer.indexOf` walks in JavaScript. */
function find(bytes: Uint8Array, mark: Uint8Array): number {
  const last = bytes.length - mark.length;
  for (
    let at = bytes.indexOf(mark[0]);
    at >= 0 && at <= last;
    at = bytes.indexOf(mark[0], at + 1)
  ) {
    let same = 1;
    while (same < mark.length && bytes[at + same] === mark[same]) same++;
    if (same === mark.length) return at;
  }
  return -1;
}
