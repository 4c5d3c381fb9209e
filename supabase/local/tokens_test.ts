import { deepStrictEqual as equal, match, notStrictEqual as differ } from "node:assert";
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT } from "jose";
import { type SigningKey, Tokens } from "./tokens.ts";

const SECRET = "a shared secret of forty characters, say";
const NOW = Math.floor(Date.now() / 1000);
const CLAIMS = { role: "kizu_worker", exp: NOW + 60 };

async function newKey(kid: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...await exportJWK(privateKey), alg: "ES256", kid, key_ops: ["sign", "verify"] };
}

const first = await newKey("first");
const second = await newKey("second");
const tokens = await Tokens.with([first, second], SECRET);

async function by(
  key: SigningKey,
  claims: Record<string, unknown> = CLAIMS,
  header: Record<string, unknown> = {},
): Promise<string> {
  const { key_ops: _, ...jwk } = key;
  return await new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: key.kid, ...header })
    .sign(await importJWK(jwk, "ES256"));
}

async function shared(secret: string, header: Record<string, unknown> = {}): Promise<string> {
  return await new SignJWT(CLAIMS).setProtectedHeader({ alg: "HS256", ...header })
    .sign(new TextEncoder().encode(secret));
}

function part(value: unknown): string {
  return btoa(JSON.stringify(value)).replaceAll("=", "").replaceAll("+", "-").replaceAll("/", "_");
}

function unsigned(header: Record<string, unknown>, signature = ""): string {
  return `${part(header)}.${part(CLAIMS)}.${signature}`;
}

/** What reaches lite: null where the token went on as it was, for it to refuse. */
async function translated(token: string): Promise<string | null> {
  const request = new Request("http://x/", { headers: { authorization: `Bearer ${token}` } });
  const bearer = (await tokens.translated(request)).headers.get("authorization");
  return bearer === `Bearer ${token}` ? null : bearer;
}

Deno.test("tokens of every published key and of the legacy secret hold", async () => {
  for (const token of [await by(first), await by(second), await shared(SECRET)]) {
    equal(await tokens.verified(token), CLAIMS);
    match((await translated(token))!, /^Bearer eyJ/);
  }
});

Deno.test("the word before a token is written in any case, as it is for REST", async () => {
  const headers = { authorization: `bearer ${await by(first)}` };
  const asked = await tokens.translated(new Request("http://x/", { headers }));
  match(asked.headers.get("authorization")!, /^Bearer eyJ/);
});

Deno.test("what is not signed by a key of the project is nobody's", async () => {
  const stranger = { ...await newKey("first") };
  const { d: _, ...half } = first;
  const pem = await exportSPKI(
    await importJWK({ ...half, key_ops: ["verify"] }, "ES256", { extractable: true }) as CryptoKey,
  );
  const good = await by(first);
  const forged = {
    "another key under our kid": await by(stranger),
    "a kid of nobody": await by(first, CLAIMS, { kid: "third" }),
    "the other key's kid": await by(first, CLAIMS, { kid: "second" }),
    "no kid": await by(first, CLAIMS, { kid: undefined }),
    "alg none": unsigned({ alg: "none", kid: "first" }),
    "alg None": unsigned({ alg: "None" }, "x"),
    "no alg": unsigned({ kid: "first" }, good.split(".")[2]),
    "the public key as a shared secret, PEM": await shared(pem, { kid: "first" }),
    "the public key as a shared secret, JWK": await shared(
      JSON.stringify(tokens.published.keys[0]),
    ),
    "the public key as a shared secret, x": await shared(first.x!, { kid: "first" }),
    "another shared secret": await shared("guessed"),
    "claims changed": good.replace(/\.[^.]+\./, `.${part({ role: "service_role" })}.`),
    "no header": `.${good.split(".")[1]}.${good.split(".")[2]}`,
  };
  for (const [name, token] of Object.entries(forged)) {
    equal(await tokens.verified(token), null, name);
    equal(await translated(token), null, name);
  }
});

Deno.test("an expired token is refused, and reaches lite to be called expired", async () => {
  const expired = await by(first, { role: "kizu_worker", exp: NOW - 60 });
  equal(await tokens.verified(expired), null);
  differ(await translated(expired), null);
});

Deno.test("a token without a role stands for nobody", async () => {
  equal(await tokens.verified(await by(first, { exp: NOW + 60 })), null);
});

Deno.test("keys rotate: the new one signs, the old one holds until it is taken off", async () => {
  const before = await tokens.signed(CLAIMS);
  const rotated = await Tokens.with([second, first], SECRET);
  equal(await rotated.verified(before), CLAIMS);
  match(atob((await rotated.signed(CLAIMS)).split(".")[0]), /"kid":"second"/);
  const revoked = await Tokens.with([second], SECRET);
  equal(await revoked.verified(before), null);
});

Deno.test("the key set has public halves only", () => {
  for (const key of tokens.published.keys) {
    equal(Object.keys(key).sort(), ["alg", "crv", "ext", "key_ops", "kid", "kty", "use", "x", "y"]);
    equal(key.key_ops, ["verify"]);
  }
});

Deno.test("an old key is one of the shared secret, never of a signing key", async () => {
  equal(await tokens.verifiedLegacy(await shared(SECRET)), CLAIMS);
  equal(await tokens.verifiedLegacy(await by(first)), null);
});

Deno.test("a token that has expired is told from one that is forged, by either key", async () => {
  const expired = { ...CLAIMS, exp: NOW - 60 };
  const oldShared = await new SignJWT(expired).setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(SECRET));
  equal(await tokens.standing(await by(first)), "valid");
  equal(await tokens.standing(await shared(SECRET)), "valid");
  equal(await tokens.standing(await by(second, expired)), "expired");
  equal(await tokens.standing(oldShared), "expired");
  equal(await tokens.standing(await by(await newKey("first"))), "forged");
  equal(await tokens.standing(await shared("another secret of forty characters, say")), "forged");
  equal(await tokens.standing(unsigned({ alg: "none" })), "forged");
  equal(await tokens.standing("a.b.c"), "forged");
});
