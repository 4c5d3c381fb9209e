// Whose token is this? ES256 by one of the installation's signing keys, which the key set at
// /auth/v1/.well-known/jwks.json publishes; and, for as long as hosted projects take them, HS256 by
// the legacy shared secret.

import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from "jose";
import type { CryptoKey } from "jose";

export interface Claims {
  role: string;
  sub?: string;
  exp?: number;
  [name: string]: unknown;
}

/** A private ES256 key as `config.json` holds it; the first one signs, the others only verify. */
export interface SigningKey extends JWK {
  kid: string;
}

const REMEMBERED = 1000;

export class Tokens {
  readonly #signing: { kid: string; key: CryptoKey };
  readonly #verifying: ReadonlyMap<string, CryptoKey>;
  readonly #legacy: Uint8Array;
  readonly #inner: Uint8Array;
  readonly #translated = new Map<string, Promise<string>>();
  /** The public halves, as `/auth/v1/.well-known/jwks.json` answers them. */
  readonly published: { keys: JWK[] };
  /** Known to lite and to nobody outside this process: lite can sign and check nothing but HS256. */
  readonly innerSecret: string;

  private constructor(
    signing: { kid: string; key: CryptoKey },
    verifying: ReadonlyMap<string, CryptoKey>,
    published: JWK[],
    legacySecret: string,
  ) {
    this.#signing = signing;
    this.#verifying = verifying;
    this.published = { keys: published };
    this.innerSecret = crypto.randomUUID() + crypto.randomUUID();
    this.#legacy = new TextEncoder().encode(legacySecret);
    this.#inner = new TextEncoder().encode(this.innerSecret);
  }

  static async with(keys: readonly SigningKey[], legacySecret: string): Promise<Tokens> {
    const published = keys.map(publicHalf);
    const verifying = new Map<string, CryptoKey>();
    for (const key of published) {
      verifying.set(key.kid!, await importJWK(key, "ES256") as CryptoKey);
    }
    const { use: _use, key_ops: _ops, ...first } = keys[0];
    const signing = { kid: keys[0].kid, key: await importJWK(first, "ES256") as CryptoKey };
    return new Tokens(signing, verifying, published, legacySecret);
  }

  /** The claims of a valid token; null for one that is forged, expired, malformed or without a role. */
  async verified(token: string): Promise<Claims | null> {
    return withRole(await this.#claims(token, { alsoExpired: false }));
  }

  /** As `verified`, for what knows the legacy secret alone: the old keys, and the functions' `verify_jwt`. */
  async verifiedLegacy(token: string): Promise<Claims | null> {
    return algorithmOf(token).alg === "HS256" ? await this.verified(token) : null;
  }

  /** Whether a token holds, held once, or is signed by none of our keys. */
  async standing(token: string): Promise<"valid" | "expired" | "forged"> {
    if (await this.#translation(token) === token) return "forged";
    const { exp } = decodeJwt(token);
    return exp !== undefined && exp * 1000 <= Date.now() ? "expired" : "valid";
  }

  async signed(claims: Claims): Promise<string> {
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid: this.#signing.kid, typ: "JWT" })
      .sign(this.#signing.key);
  }

  /**
   * The request as lite can check it: its token with the same claims, signed with the inner secret. A token
   * whose signature does not hold goes on as it is, for lite to refuse; whether one has expired is lite's to say.
   */
  async translated(request: Request): Promise<Request> {
    const token = request.headers.get("authorization")?.match(/^Bearer\s+(.+)$/i)?.[1];
    if (!token || token.split(".").length !== 3) return request;
    const headers = new Headers(request.headers);
    headers.set("authorization", `Bearer ${await this.#translation(token)}`);
    return new Request(request, { headers });
  }

  #translation(token: string): Promise<string> {
    let translation = this.#translated.get(token);
    if (translation === undefined) {
      translation = this.#translate(token);
      this.#translated.set(token, translation);
      if (this.#translated.size > REMEMBERED) {
        this.#translated.delete(this.#translated.keys().next().value!);
      }
    }
    return translation;
  }

  async #translate(token: string): Promise<string> {
    const claims = await this.#claims(token, { alsoExpired: true });
    if (claims === null) return token;
    return await new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .sign(this.#inner);
  }

  /** The algorithm is the key's, never the header's: each key is tried with its own and no other. */
  async #claims(token: string, { alsoExpired }: { alsoExpired: boolean }): Promise<Claims | null> {
    const { alg, kid } = algorithmOf(token);
    const key = alg === "HS256" ? this.#legacy : this.#verifying.get(kid ?? "");
    if (key === undefined) return null;
    try {
      const algorithms = [alg === "HS256" ? "HS256" : "ES256"];
      return (await jwtVerify(token, key, { algorithms })).payload as Claims;
    } catch (error) {
      // Raised of a token whose signature holds.
      const dated = error instanceof errors.JWTExpired ||
        error instanceof errors.JWTClaimValidationFailed;
      return alsoExpired && dated ? error.payload as Claims : null;
    }
  }
}

function withRole(claims: Claims | null): Claims | null {
  return typeof claims?.role === "string" && claims.role ? claims : null;
}

function algorithmOf(token: string): { alg?: string; kid?: string } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return {};
  }
}

function publicHalf({ kty, crv, x, y, kid }: SigningKey): JWK {
  return { alg: "ES256", crv, ext: true, key_ops: ["verify"], kid, kty, use: "sig", x, y };
}
