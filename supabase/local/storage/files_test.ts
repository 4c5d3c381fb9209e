import { deepStrictEqual as equal, rejects, strictEqual as same } from "node:assert";
import { dirname } from "node:path";
import { BodyTooLong } from "../body.ts";
import { clearIncoming, objectPath, Turns, writeAside } from "./files.ts";

Deno.test("no name leaves the root and no two names share a file", () => {
  const names = [
    "a",
    "a/b",
    "a//b",
    "../x",
    "..",
    "./a",
    "a/../b",
    "/a",
    "a%2Fb",
    "a\\b",
    "%2e%2e/x",
  ];
  const paths = [
    ...names.map((name) => objectPath("/files", "bucket", name)),
    objectPath("/files", "bucket/a", "b"),
    objectPath("/files", "..", "x"),
  ];
  for (const path of paths) same(/^\/files\/[0-9a-f]{2}\/[0-9a-f]{62}$/.test(path), true, path);
  same(new Set(paths).size, names.length + 2);
});

Deno.test("a name of 1024 bytes has a file, and a name leaves room for those below it", async () => {
  const root = await Deno.makeTempDir();
  const names = ["a", "a/b", "x".repeat(300), `${"y".repeat(300)}/${"z".repeat(700)}`];
  for (const name of names) {
    const aside = await writeAside(root, objectPath(root, "b", name), [
      new TextEncoder().encode(name),
    ]);
    await aside.keep();
  }
  for (const name of names) same(await Deno.readTextFile(objectPath(root, "b", name)), name);
  await Deno.remove(root, { recursive: true });
});

Deno.test("a body that breaks off or is too long leaves no file", async () => {
  const root = await Deno.makeTempDir();
  const path = objectPath(root, "b", "a");
  async function* broken() {
    yield new Uint8Array(10);
    await Promise.resolve();
    throw new Error("gone");
  }
  await rejects(writeAside(root, path, broken()), /gone/);
  await rejects(writeAside(root, path, [new Uint8Array(10)], 9), BodyTooLong);
  equal([...Deno.readDirSync(`${root}/incoming`)], []);
  await rejects(Deno.stat(path), Deno.errors.NotFound);
  await writeAside(root, path, [new Uint8Array(10)]); // and the process is killed here
  await clearIncoming(root);
  equal([...Deno.readDirSync(root)], []);
});

Deno.test("the same bytes have the same name in however many pieces they come", async () => {
  const root = await Deno.makeTempDir();
  const bytes = new TextEncoder().encode("abc");
  const asides = [[bytes], [bytes.subarray(0, 1), bytes.subarray(1)], [bytes, bytes]].map((body) =>
    writeAside(root, objectPath(root, "b", "a"), body)
  );
  const [one, pieces, other] = (await Promise.all(asides)).map((aside) => aside.eTag);
  same(one, '"900150983cd24fb0d6963f7d28e17f72"'); // as S3 says it
  same(pieces, one);
  same(other === one, false);
  await Deno.remove(root, { recursive: true });
});

Deno.test("what is stored is its owner's alone whatever the umask", async () => {
  const umask = Deno.umask(0);
  const root = await Deno.makeTempDir();
  try {
    const path = objectPath(root, "b", "a");
    await (await writeAside(root, path, [new Uint8Array(1)])).keep();
    same(Deno.statSync(path).mode! & 0o777, 0o600);
    same(Deno.statSync(dirname(path)).mode! & 0o777, 0o700);
    same(Deno.statSync(`${root}/incoming`).mode! & 0o777, 0o700);
  } finally {
    Deno.umask(umask);
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("turns of one key are taken one after another, failures included", async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const act = (name: string, fails = false) =>
    turns.take("key", async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.push(`${name} ends`);
      if (fails) throw new Error(name);
    });
  await Promise.allSettled([act("a"), act("b", true), act("c")]);
  equal(seen, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});
