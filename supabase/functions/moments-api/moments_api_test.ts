import { deepStrictEqual as same, rejects } from "node:assert/strict";
import { momentsApi } from "./moments_api.ts";

const A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";

/** What a request to the address is answered, and what it makes of the database. */
async function asked(
  method: string,
  address: string,
  body: unknown = {},
): Promise<[answer: unknown, calls: [string, unknown][]]> {
  const calls: [string, unknown][] = [];
  const url = new URL(`http://project.test/functions/v1/${address}`);
  const path = url.pathname.split("/").at(-1) as string;
  const answers: Record<string, unknown> = {
    list_moments: { moments: [{ id: A }], next: null },
    show_moment: { moment: { id: A }, photos: ["p"] },
  };
  const answer = await momentsApi(
    body,
    (name, args) => {
      calls.push([name, args]);
      return Promise.resolve(answers[name] ?? name);
    },
    path,
    { method, url },
  );
  return [answer, calls];
}

Deno.test("the feed, with photos or without", async () => {
  same(await asked("GET", "moments-api?action=feed"), [{ moments: [{ id: A }] }, [
    ["list_moments", { p_limit: 50 }],
  ]]);
  same(await asked("GET", "moments-api?action=feed&include_assets=true"), [
    { moments: [{ id: A, assets: ["p"] }] },
    [["list_moments", { p_limit: 20 }], ["show_moment", { p_moment_id: A }]],
  ]);
});

Deno.test("one moment, and what is done with it", async () => {
  same((await asked("GET", `moments-api/${A}`))[0], { moment: { id: A, assets: ["p"] } });
  for (const verb of ["save", "dismiss", "view"]) {
    same(await asked("POST", `moments-api/${A}/${verb}`), [
      { success: true, moment: `${verb}_moment` },
      [[`${verb}_moment`, { p_moment_id: A }]],
    ]);
  }
});

Deno.test("settings are read and set", async () => {
  same((await asked("GET", "moments-api/settings"))[1], [["moment_settings", {}]]);
  same((await asked("POST", "moments-api?action=settings", { events: false }))[1], [
    ["set_moment_settings", { p_settings: { events: false } }],
  ]);
});

for (
  const [method, address, code] of [
    ["GET", "moments-api?action=users", "not_found"],
    ["GET", "moments-api/settled", "bad_params"],
    ["POST", "moments-api/x/save", "bad_params"],
    ["POST", `moments-api/${A}`, "not_found"],
    ["GET", `moments-api/${A}/save`, "not_found"],
    ["POST", `moments-api/${A}/toString`, "not_found"],
  ]
) {
  Deno.test(`${method} ${address} is refused`, async () => {
    await rejects(asked(method, address), { code });
  });
}
