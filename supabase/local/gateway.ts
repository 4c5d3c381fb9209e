// One process that speaks as a Supabase project does: REST, Auth and Storage by lite, edge functions
// and Realtime by ours. `kizu local up` starts it: gateway.ts CONFIG PROJECT STORAGE.

import { databaseUrl, GatewayConnection } from "./database.ts";
import postgres from "postgres";
import { join } from "node:path";
import { accountDeleted } from "./accounts.ts";
import { admitted, isDisguised, notFound, refusing } from "./admission.ts";
import { accessTokenHook } from "./config.ts";
import { callFunction, loadFunctions } from "./functions.ts";
import { counted, Failures } from "./guesses.ts";
import { issued } from "./issuing.ts";
import { bearsAnotherKey, keyClaims, type LiteApp, liteApp } from "./lite.ts";
import { answering } from "./outage.ts";
import { Realtime } from "./realtime/realtime.ts";
import { apiUrl, readSettings, type Settings } from "./settings.ts";
import { clearIncoming } from "./storage/files.ts";
import { Objects } from "./storage/objects.ts";
import { objectRoute } from "./storage/routes.ts";
import { Tokens } from "./tokens.ts";

const settings = await readSettings(Deno.args[0], Deno.args[1], Deno.args[2]);
const config = await Deno.readTextFile(join(settings.project, "config.toml")).catch(() => "");
const tokens = await Tokens.with(settings.signingKeys, settings.jwtSecret);
const connection = new GatewayConnection(settings);
const app = await liteApp(settings, connection, tokens);
await prepareDatabase(settings, app, connection);
await clearIncoming(settings.storage);
const functions = await loadFunctions(settings, config);
const failures = new Failures();
const access = {
  tokens,
  keyClaims: (key: string) => keyClaims(key, settings, tokens),
};
const issuing = {
  tokens,
  sql: connection.driver,
  hook: accessTokenHook(config),
  issuer: `${apiUrl(settings)}/auth/v1`,
};
const objects = new Objects(
  settings.storage,
  connection.driver,
  connection.requestPool,
  settings.jwtSecret,
);
const realtime = new Realtime({
  databaseUrl: databaseUrl(settings, "postgres"),
  sql: connection.driver,
  requests: connection.requestPool,
  watch: connection.watch,
  connected: () => void listenForReloads(),
  ...access,
});
let ear: postgres.Sql | undefined;
const server = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: settings.apiPort,
    onListen: () => console.log(`serving ${apiUrl(settings)}`),
  },
  route,
);
// From here on one client's trouble must not become everybody's; a port that is taken ends us above.
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  console.error("nobody waited for this failure:", event.reason);
});
realtime.start();
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stop);

async function route(
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
): Promise<Response> {
  const path = new URL(request.url).pathname;
  if (isDisguised(path)) return await refusing(request, notFound());
  if (path === "/health") return Response.json({ instance: settings.instance });
  if (path.startsWith("/functions/v1/")) return callFunction(functions, tokens, request);
  if (path === "/auth/v1/.well-known/jwks.json") return keySet();
  if (path === "/realtime/v1/websocket") return realtime.accept(request);
  if (bearsAnotherKey(request)) return await refusing(request, invalidKey());
  const lite = (admitted: Request) =>
    answering(async () => {
      const deleted = await accountDeleted(admitted, access, connection.driver);
      if (deleted !== null) return deleted;
      const asked = await tokens.translated(admitted);
      const answer = await app.fetch(asked, { peerAddress: info.remoteAddr.hostname });
      return await issued(answer, admitted, issuing);
    });
  const stored = await objectRoute(objects, access, request, lite);
  if (stored) return stored;
  const known = await admitted(request, access);
  if (known instanceof Response) return known;
  return await counted(failures, info.remoteAddr.hostname, known, lite);
}

function invalidKey(): Response {
  return Response.json({
    message: "Invalid API key",
    hint: "A key in `Authorization` must be the one in `apikey`",
  }, { status: 401, headers: { "access-control-allow-origin": "*" } });
}

/** Public, without a key: whoever wants to check a token fetches it. */
function keySet(): Response {
  return Response.json(tokens.published, {
    headers: { "access-control-allow-origin": "*", "cache-control": "public, max-age=600" },
  });
}

/** Auth's and Storage's tables, then ours. */
async function prepareDatabase(
  settings: Settings,
  app: LiteApp,
  connection: GatewayConnection,
) {
  await app.ensureSystemSchema();
  const sql = connection.driver;
  await sql.unsafe(await Deno.readTextFile(new URL("./bootstrap.sql", import.meta.url))).simple();
  await sql.unsafe(`alter role authenticator password '${settings.authenticatorPassword}'`);
}

/** Hears `notify pgrst, 'reload schema'`; anew after each outage, during which one may have been missed. */
async function listenForReloads(): Promise<void> {
  const forget = () => {
    realtime.policies.forget();
    void connection.clearSchemaCache();
  };
  await ear?.end({ timeout: 0 });
  ear = postgres(databaseUrl(settings, "postgres"), { max: 1, onnotice: () => {} });
  await ear.listen("pgrst", forget, forget);
}

async function stop(): Promise<void> {
  realtime.stop();
  await Promise.race([server.shutdown(), new Promise((resolve) => setTimeout(resolve, 1000))]);
  await Promise.all([ear?.end({ timeout: 0 }), connection.close()]);
  Deno.exit(0);
}
