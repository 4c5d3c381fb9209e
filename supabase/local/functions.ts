// Edge functions in the gateway's own process: each `functions/<name>/index.ts` is imported once, the
// handler it gives to `Deno.serve` is kept, and `/functions/v1/<name>` is routed to it.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bodyRefusal, MOST_BYTES, refusing } from "./admission.ts";
import { bounded, letGo, refuseDeclared } from "./body.ts";
import { functionsWithoutJwt } from "./config.ts";
import type { Tokens } from "./tokens.ts";
import { apiUrl, type Settings } from "./settings.ts";

type Handler = (request: Request) => Response | Promise<Response>;

export interface EdgeFunction {
  handler: Handler;
  verifyJwt: boolean;
}

/** Every function of the project. A function that cannot be imported fails alone, at its first call. */
export async function loadFunctions(
  settings: Settings,
  config: string,
): Promise<Map<string, EdgeFunction>> {
  const folder = join(settings.project, "functions");
  giveEnvironment(settings);
  const open = functionsWithoutJwt(config);
  const functions = new Map<string, EdgeFunction>();
  for (const name of await functionNames(folder)) {
    const handler = await capturedHandler(join(folder, name, "index.ts"), name);
    functions.set(name, { handler, verifyJwt: !open.has(name) });
  }
  return functions;
}

function giveEnvironment(settings: Settings): void {
  const environment = {
    SUPABASE_URL: apiUrl(settings),
    SUPABASE_ANON_KEY: settings.publishableKey,
    SUPABASE_PUBLISHABLE_KEY: settings.publishableKey,
    SUPABASE_SERVICE_ROLE_KEY: settings.secretKey,
    SUPABASE_SECRET_KEY: settings.secretKey,
  };
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
}

async function functionNames(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isDirectory && !entry.name.startsWith("_") && !entry.name.startsWith(".")) {
        names.push(entry.name);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

async function capturedHandler(path: string, name: string): Promise<Handler> {
  let captured: Handler | undefined;
  const serve = Deno.serve;
  const capture = (...given: unknown[]) => {
    captured = given.find((one) => typeof one === "function") as Handler | undefined ??
      (given.find((one) => typeof (one as { handler?: unknown })?.handler === "function") as {
        handler: Handler;
      } | undefined)?.handler;
    return { finished: Promise.resolve(), shutdown: () => Promise.resolve() };
  };
  try {
    Object.defineProperty(Deno, "serve", { value: capture, configurable: true, writable: true });
    await import(pathToFileURL(path).href);
  } catch (error) {
    console.error(`function ${name} could not be loaded:`, error);
    return () => answer(503, "BOOT_ERROR", "Function failed to start (please check logs)");
  } finally {
    Object.defineProperty(Deno, "serve", { value: serve, configurable: true, writable: true });
  }
  return captured ?? (() => answer(503, "BOOT_ERROR", `${name} never called Deno.serve`));
}

export async function callFunction(
  functions: Map<string, EdgeFunction>,
  tokens: Tokens,
  request: Request,
): Promise<Response> {
  const name = new URL(request.url).pathname.split("/")[3] ?? "";
  const found = functions.get(name);
  if (!found) {
    return await refusing(request, answer(404, "NOT_FOUND", "Requested function was not found"));
  }
  if (found.verifyJwt && request.method !== "OPTIONS" && !await isSignedIn(request, tokens)) {
    return await refusing(request, answer(401, "UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid JWT"));
  }
  return await handled(name, found.handler, request);
}

/** What the handler answers; a body that it cannot be given to its end is the gateway's to refuse. */
async function handled(name: string, handler: Handler, request: Request): Promise<Response> {
  let broken: unknown;
  try {
    refuseDeclared(request, MOST_BYTES.functions);
    const body = request.body &&
      bounded(request.body, MOST_BYTES.functions, (error) => broken = error);
    const given = body === null ? request : new Request(request, { body });
    const answered = await handler(given);
    if (body !== null && !body.locked) await letGo(body);
    return bodyRefusal("functions", broken) ?? answered;
  } catch (error) {
    const refusal = bodyRefusal("functions", broken ?? error);
    if (refusal) return await refusing(request, refusal);
    console.error(`function ${name} failed:`, error);
    return answer(500, "WORKER_ERROR", "Function exited due to an error (please check logs)");
  }
}

/** As the platform's own check, which knows tokens of the legacy secret only. */
async function isSignedIn(request: Request, tokens: Tokens): Promise<boolean> {
  const token = request.headers.get("authorization")?.replace(/^Bearer\s+/i, "") ?? "";
  return await tokens.verifiedLegacy(token) !== null;
}

function answer(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, {
    status,
    headers: { "access-control-allow-origin": "*" },
  });
}
