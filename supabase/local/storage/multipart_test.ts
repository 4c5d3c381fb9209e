import { deepStrictEqual as equal, rejects, strictEqual as same } from "node:assert";
import { Buffer } from "node:buffer";
import { boundaryOf, FormError, partsOf } from "./multipart.ts";

const FILE = Buffer.from("\r\n--almost a boundary\r\n--b\r-- and so on \r\n", "latin1");

function form(): Buffer {
  return Buffer.concat([
    Buffer.from('--bound\r\nContent-Disposition: form-data; name="cacheControl"\r\n\r\n3600\r\n'),
    Buffer.from(
      '--bound\r\nContent-Disposition: form-data; name="file"; filename="a b.jpg"\r\nContent-Type: image/jpeg\r\n\r\n',
    ),
    FILE,
    Buffer.from(
      '\r\n--bound\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\r\n--bound--\r\n',
    ),
  ]);
}

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) {
    const piece = Uint8Array.from(bytes.subarray(at, at + size));
    yield piece;
    piece.buffer.transfer(); // The buffer is used again, as a socket's is.
    await Promise.resolve();
  }
}

async function read(source: AsyncIterable<Uint8Array>) {
  const found: [string, string | null, string | null, string][] = [];
  for await (const part of partsOf(source, "bound")) {
    const pieces: Buffer[] = [];
    for await (const piece of part.body) pieces.push(Buffer.from(Uint8Array.from(piece)));
    found.push([
      part.name,
      part.fileName,
      part.contentType,
      Buffer.concat(pieces).toString("latin1"),
    ]);
  }
  return found;
}

Deno.test("a form is the same however it is cut", async () => {
  for (const size of [1, 2, 3, 7, 16, 64, 1000]) {
    equal(await read(inPieces(form(), size)), [
      ["cacheControl", null, null, "3600"],
      ["file", "a b.jpg", "image/jpeg", FILE.toString("latin1")],
      ["metadata", null, null, "{}"],
    ], `in pieces of ${size}`);
  }
});

Deno.test("a part left unread does not shift the next", async () => {
  const names: string[] = [];
  for await (const part of partsOf(inPieces(form(), 5), "bound")) names.push(part.name);
  equal(names, ["cacheControl", "file", "metadata"]);
});

Deno.test("a part without headers is a part of its own", async () => {
  const bare = Buffer.from(
    '--bound\r\n\r\nbare\r\n--bound\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--bound--\r\n',
  );
  for (const size of [1, 3, 1000]) {
    equal(await read(inPieces(bare, size)), [["", null, null, "bare"], ["a", null, null, "b"]]);
  }
});

Deno.test("a file may be named in another alphabet", async () => {
  const named = (disposition: string) =>
    read(inPieces(
      Buffer.from(
        `--bound\r\nContent-Disposition: form-data; name="f"; ${disposition}\r\n\r\nx\r\n--bound--\r\n`,
      ),
      16,
    ));
  same((await named("filename*=UTF-8''caf%C3%A9.jpg"))[0][1], "caf\u00e9.jpg");
  same((await named("filename=\"a.jpg\"; filename*=utf-8'en'b.jpg"))[0][1], "b.jpg");
  same((await named("filename=\"a.jpg\"; filename*=UTF-8''%zz"))[0][1], "a.jpg");
});

Deno.test("a form that breaks off is an error", async () => {
  for (const end of [3, 40, 120, 200]) {
    await rejects(read(inPieces(form().subarray(0, end), 16)), FormError);
  }
});

Deno.test("the boundary is found, quoted or not", () => {
  same(boundaryOf('multipart/form-data; boundary="a b"'), "a b");
  same(boundaryOf("multipart/form-data; charset=utf-8; boundary=abc"), "abc");
  same(boundaryOf("image/jpeg"), null);
});

Deno.test("a header that is too long is refused however it is cut", async () => {
  const long = Buffer.from(
    `--bound\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\nvalue\r\n--bound--\r\n`,
  );
  for (const size of [1000, 64 * 1024]) {
    await rejects(read(inPieces(long, size)), FormError, `in pieces of ${size}`);
  }
});
