import { deepStrictEqual as equal, strictEqual as same } from "node:assert";
import { objectPath, Turns } from "./files.ts";

Deno.test("no name leaves its bucket and no two names share a file", () => {
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
  const paths = names.map((name) => objectPath("/files", "bucket", name));
  for (const path of paths) same(path.startsWith("/files/bucket/"), true, path);
  for (const path of paths) same(path.split("/").includes(".."), false, path);
  same(new Set(paths).size, names.length);
  same(objectPath("/files", "..", "x"), "/files/%2E%2E/x");
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
