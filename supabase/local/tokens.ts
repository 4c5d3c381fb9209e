// Whose token is this? HS256 with the installation's own secret, nothing else.

import { jwtVerify } from "jose";

export interface Claims {
  role: string;
  sub?: string;
  exp?: number;
  [name: string]: unknown;
}

/** The claims of a valid token; null for one that is forged, expired, malformed or without a role. */
export async function verifiedClaims(token: string, secret: string): Promise<Claims | null> {
  if (token.split(".").length !== 3) return null;
  try {
    const { payload } = await jwtVerify(token, new TextEncoder().encode(secret), {
      algorithms: ["HS256"],
    });
    return typeof payload.role === "string" && payload.role ? payload as unknown as Claims : null;
  } catch {
    return null;
  }
}
