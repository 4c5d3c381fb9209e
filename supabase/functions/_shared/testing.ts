/** A pretended REST service: answers what a test says and remembers what it was asked. */

import type { World } from "./queue.ts";

export interface Asked {
  url: string;
  headers: Headers;
  args: Record<string, unknown>;
}

type Reply = (asked: Asked) => { status?: number; json: unknown };

export function world(
  reply: Reply,
  env: Record<string, string> = {},
): World & { asked: Asked[] } {
  const settings = new Map(
    Object.entries({
      SUPABASE_URL: "http://project.test/",
      SUPABASE_PUBLISHABLE_KEY: "sb_publishable_test",
      ...env,
    }),
  );
  const asked: Asked[] = [];
  return {
    asked,
    env: settings,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const one = { url: request.url, headers: request.headers, args: await request.json() };
      asked.push(one);
      const { status = 200, json } = reply(one);
      return Response.json(json, { status });
    },
  };
}

export const TOKEN = "header.payload.signature";

export function post(body: unknown, headers: Record<string, string> = {}): Request {
  return new Request("http://project.test/functions/v1/any", {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}
