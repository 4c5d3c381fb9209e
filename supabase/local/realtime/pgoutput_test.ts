import { deepStrictEqual as equal, strictEqual as same, throws } from "node:assert";
import { Buffer } from "node:buffer";
import { PgOutputReader } from "./pgoutput.ts";

const text = (value: string) => Buffer.from(`${value}\0`);
const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number) => Buffer.concat([int16(value >>> 16), int16(value & 65535)]);
const cell = (value: string | null | undefined) =>
  value === null
    ? Buffer.from("n")
    : value === undefined
    ? Buffer.from("u")
    : Buffer.concat([Buffer.from("t"), int32(Buffer.byteLength(value)), Buffer.from(value)]);
const tuple = (...cells: (string | null | undefined)[]) =>
  Buffer.concat([int16(cells.length), ...cells.map(cell)]);
const message = (kind: string, ...parts: Uint8Array[]) =>
  Buffer.concat([Buffer.from(kind), ...parts]);

const column = (name: string, type: number, isKey: boolean) =>
  Buffer.concat([Buffer.from([isKey ? 1 : 0]), text(name), int32(type), int32(0xffffffff)]);
const RELATION = message(
  "R",
  int32(7),
  text("public"),
  text("jobs"),
  Buffer.from("d"),
  int16(2),
  column("id", 23, true),
  column("title", 25, false),
);
const BEGIN = message("B", Buffer.alloc(8), int32(0), int32(1_000_000), int32(0xf0000001));

function reader(): PgOutputReader {
  const made = new PgOutputReader();
  made.read(RELATION);
  made.read(BEGIN);
  return made;
}

Deno.test("an insert carries its row, its transaction and the moment of its commit", () => {
  const change = reader().read(message("I", int32(7), Buffer.from("N"), tuple("1", "Zoë")));
  equal(change?.row, { id: "1", title: "Zoë" });
  same(change?.xid, 0xf0000001);
  same(change?.committedAt.toISOString(), "2000-01-01T00:00:01.000Z");
  equal(change?.relation.columns.map(({ name }) => name), ["id", "title"]);
});

Deno.test("an update leaves out what was not logged again", () => {
  const change = reader().read(message("U", int32(7), Buffer.from("N"), tuple("1", undefined)));
  equal([change?.row, change?.old], [{ id: "1" }, null]);
});

Deno.test("an update that changed the key knows the old one", () => {
  const old = Buffer.concat([Buffer.from("K"), tuple("1", null), Buffer.from("N")]);
  const change = reader().read(message("U", int32(7), old, tuple("2", null)));
  equal([change?.row, change?.old], [{ id: "2", title: null }, { id: "1" }]);
});

Deno.test("a delete carries the key, or the whole row where the table logs it", () => {
  const byKey = reader().read(message("D", int32(7), Buffer.from("K"), tuple("1", null)));
  equal([byKey?.row, byKey?.old], [null, { id: "1" }]);
  const whole = reader().read(message("D", int32(7), Buffer.from("O"), tuple("1", null)));
  equal(whole?.old, { id: "1", title: null });
});

Deno.test("other messages are passed over", () => {
  for (const kind of ["C", "T", "Y", "O"]) {
    same(reader().read(message(kind, Buffer.alloc(20))), null);
  }
});

Deno.test("a row of an unknown table is an error, not a guess", () => {
  throws(() =>
    new PgOutputReader().read(message("I", int32(9), Buffer.from("N"), tuple("1", "x")))
  );
});
