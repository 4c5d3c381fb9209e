// Lite, set up to answer as a hosted project does.

import { App, type ServerOptions } from "@supabase/lite";
import type { GatewayConnection } from "./database.ts";
import { apiUrl, type Settings } from "./settings.ts";
import { FileAdapter } from "./storage/adapter.ts";
import type { Claims, Tokens } from "./tokens.ts";

type Middleware = NonNullable<ServerOptions["middlewares"]>[number];

export type LiteApp = Awaited<ReturnType<typeof liteApp>>;

export async function liteApp(
  settings: Settings,
  connection: GatewayConnection,
  tokens: Tokens,
) {
  const app = new App({
    connection,
    api: { enabled: true, schemas: ["public"], max_rows: 1000, anonymous_enabled: false },
    auth: {
      enabled: true,
      jwt_secret: tokens.innerSecret,
      publishable_key: settings.publishableKey,
      secret_key: settings.secretKey,
      site_url: apiUrl(settings),
      email: { enable_signup: true, enable_confirmations: false },
    },
    storage: { enabled: true, file_size_limit: "5GiB" },
    db: { migrations: { enabled: false } },
    studio: { enabled: false },
    options: {
      server: {
        apiKeys: { resolver: (key: string) => resolved(key, settings, tokens) },
        middlewares: [restNeedsNoSession],
      },
    },
  });
  app._storageAdapter = new FileAdapter(settings.storage);
  await app.init();
  return app;
}

/** Whom a key stands for: the two opaque ones, and the legacy ones, tokens with a fixed role. */
export async function keyClaims(
  key: string,
  settings: Settings,
  tokens: Tokens,
): Promise<Claims | null> {
  if (key === settings.publishableKey) return { role: "anon" };
  if (key === settings.secretKey) return { role: "service_role" };
  const claims = await tokens.verifiedLegacy(key);
  return claims?.role === "anon" || claims?.role === "service_role" ? claims : null;
}

/** A key is no token: as a bearer it only repeats the header `apikey`, which the official clients do. */
export function bearsAnotherKey(request: Request): boolean {
  const bearer = request.headers.get("authorization")?.match(/^Bearer\s+(sb_.*)$/i)?.[1];
  return bearer !== undefined && bearer !== request.headers.get("apikey");
}

async function resolved(key: string, settings: Settings, tokens: Tokens) {
  const claims = await keyClaims(key, settings, tokens);
  if (claims === null) return null;
  const type = claims.role === "service_role" ? "secret" as const : "publishable" as const;
  return { type, claims };
}

/** REST believes a valid token, as PostgREST does; lite would look its user and session up each time. */
const restNeedsNoSession: Middleware = async (context, next) => {
  if (context.req.path.startsWith("/rest/v1/")) {
    context.set("userId", "of the token");
    context.set("sessionId", "of the token");
  }
  await next();
};
