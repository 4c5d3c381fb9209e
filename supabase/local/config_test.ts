import { deepStrictEqual as equal } from "node:assert";
import { throws } from "node:assert";
import { accessTokenHook, functionsWithoutJwt } from "./config.ts";

Deno.test("only a function that says so is open to tokens of others", () => {
  const config = `
[functions.open]
verify_jwt = false # a webhook
[functions.closed]
verify_jwt = true
[functions.silent]
[auth]
verify_jwt = false
`;
  equal(functionsWithoutJwt(config), new Set(["open"]));
});

Deno.test("the hook is the enabled section's function", () => {
  const section = (enabled: string, uri = "pg-functions://postgres/kizu/give_role") =>
    `[auth]\nenabled = true\n[auth.hook.custom_access_token]\nenabled = ${enabled}\nuri = "${uri}"\n`;
  equal(accessTokenHook(section("true")), { schema: "kizu", name: "give_role" });
  equal(accessTokenHook(section("false")), null);
  equal(accessTokenHook(""), null);
  for (const uri of ["https://example.com/hook", "pg-functions://postgres/a.b/c", ""]) {
    throws(() => accessTokenHook(section("true", uri)), /hook's uri/);
  }
});
