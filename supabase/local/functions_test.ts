import { deepStrictEqual as equal } from "node:assert";
import { functionsWithoutJwt } from "./functions.ts";

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
