/**
 * The queue's verbs over REST, with the caller's own token: row-level security and the verbs' scope decide
 * what the caller may reach, and PostgREST checks the token's signature. No service key is ever read here.
 */

import { type ErrorCode, RequestError } from "./errors.ts";

const ANSWER_WITHIN_MS = 10_000;
const AT_ONCE = 10;

/** What the functions need of the world; tests hand in their own. */
export interface World {
  env: { get(name: string): string | undefined };
  fetch: typeof fetch;
}

export type Verb = (name: string, args: unknown) => Promise<unknown>;

export function verbsOf(token: string, world: World): Verb {
  const url = required(world, "SUPABASE_URL").replace(/\/+$/, "");
  const headers = {
    "apikey": publishableKey(world),
    "authorization": `Bearer ${token}`,
    "content-type": "application/json",
  };
  return async (name, args) => {
    const response = await reach(() =>
      world.fetch(`${url}/rest/v1/rpc/${name}`, {
        method: "POST",
        headers,
        body: JSON.stringify(args),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      })
    );
    const answer = await reach(() => response.text()).then(parse);
    if (!response.ok) throw refusal(name, response.status, answer);
    return answer;
  };
}

/** Calls `task` for every item, a few at a time, and answers in the items' order. */
export async function forEach<Item, Answer>(
  items: readonly Item[],
  task: (item: Item) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    answers.push(...await Promise.all(items.slice(start, start + AT_ONCE).map(task)));
  }
  return answers;
}

/**
 * PostgREST's refusal in our words. The verbs raise one of our codes as the message, with a sentence
 * for people as the detail; anything else is told apart by status and SQLSTATE, and not repeated.
 */
export function refusal(verb: string, status: number, answer: unknown): RequestError {
  const { code = "", message = "", details } = (answer ?? {}) as Record<string, string | undefined>;
  if (isRaised(message)) return new RequestError(message, details || SENTENCES[message]);
  if (status === 401 || code.startsWith("PGRST3")) {
    return new RequestError("unauthorized", "the token is not valid (any more)");
  }
  if (status === 403 || code === "42501") {
    return new RequestError("forbidden", `this account may not call ${verb}`);
  }
  if (code === "PGRST202") {
    return new RequestError("internal_error", `${verb} is missing: apply supabase/migrations`);
  }
  if (/^(22|23|P0001)/.test(code)) {
    return new RequestError("bad_params", "the database refused the request");
  }
  const busy = message === "database_busy" && details;
  return new RequestError("database_unavailable", busy || "the database did not answer; try again");
}

const SENTENCES = {
  bad_params: "the database refused the request",
  unknown_job_type: "there is no such kind of job",
  not_found: "there is no such thing among your own",
  too_many_jobs: "too many of your jobs are pending",
  conflict: "the request contradicts what is there",
} satisfies Partial<Record<ErrorCode, string>>;

function isRaised(message: string): message is keyof typeof SENTENCES {
  return Object.hasOwn(SENTENCES, message);
}

/** Hosted projects hand the publishable keys over as a dictionary, older and self-hosted ones a single key. */
function publishableKey(world: World): string {
  const single = world.env.get("SUPABASE_PUBLISHABLE_KEY");
  if (single) return single;
  const keys = Object.values(parse(world.env.get("SUPABASE_PUBLISHABLE_KEYS") ?? "") ?? {});
  return typeof keys[0] === "string" ? keys[0] : required(world, "SUPABASE_ANON_KEY");
}

function required(world: World, name: string): string {
  const value = world.env.get(name);
  if (!value) throw new RequestError("internal_error", `${name} is not set for this function`);
  return value;
}

async function reach<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
  try {
    return await attempt();
  } catch {
    throw new RequestError("database_unavailable", "the database could not be reached; try again");
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
