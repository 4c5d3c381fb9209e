import {
  boolean,
  type Check,
  fieldsOf,
  integer,
  isGiven,
  listOf,
  number,
  oneOf,
  record,
  text,
  uuid,
} from "../_shared/checks.ts";
import type { Work } from "../_shared/endpoint.ts";
import { badParams, RequestError } from "../_shared/errors.ts";
import type { Verb } from "../_shared/queue.ts";
import { asOlderApps, OLDER_PATHS, withObjects } from "./older_apps.ts";

const LONGEST_TEXT = 500;
const LONGEST_PREFIX = 200;
const LONGEST_WAIT_MS = 10_000;
const USUAL_WAIT_MS = 3_000;
const FIRST_LOOK_MS = 40; // a worker that is warm answers within some
const LAST_LOOK_MS = 250;
const FIRST_FULL_MS = 500; // where the user's other searches fill what there is, looks are left to them
const LAST_FULL_MS = 2_000;
const GROWTH = 1.5;

const PAGE = { limit: integer(1, 200), after: record };

/** As the database's functions ask_search and search have them, without the `p_`. */
const QUESTION: Record<string, Check> = {
  text: text(LONGEST_TEXT),
  today: day,
  zone: text(100),
  language: text(3),
  hemisphere: oneOf("north", "south"),
  without: listOf(integer(0, 500), 20),
};

/** What apps ask behind the function's name, and the database's function for it. */
const WORDS: Record<string, { calls: string; fields: Record<string, Check>; needs?: string[] }> = {
  suggestions: {
    calls: "suggest_search",
    fields: { prefix: text(LONGEST_PREFIX), limit: integer(1, 50) },
    needs: ["prefix"],
  },
  objects: {
    calls: "list_things",
    fields: { limit: integer(1, 200), after: text(LONGEST_PREFIX) },
  },
};

const EXAMPLE: Record<string, Check> = {
  asset_id: uuid,
  face_id: uuid,
  cluster_id: uuid,
  contact_id: uuid,
};

/** The time, as tests pretend it. */
export interface Clock {
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

const REAL: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => new Promise((done) => setTimeout(done, milliseconds)),
};

/**
 * POST {text, today?, zone?, language?, hemisphere?, without?, as_written?, limit?, after?, offset?, wait_ms?} →
 * {results, next, understood, corrected, status, left_out, lacks, timed_out}: what the words find. A worker understands them, for which this
 * waits for `wait_ms`; if that is too short, or no worker is there, the answer is what the database finds by
 * itself, and `left_out` says what is not in it. `without` are parts of `understood` that the person took out, and
 * `as_written` takes back that words were `corrected`.
 *
 * POST {by: {asset_id | face_id | cluster_id | contact_id}, least?, limit?, after?} → {results, next, left_out}:
 * what is like the example.
 *
 * What existing apps ask (`query`, `filters`, and paths such as search/by-face) is answered as they read it: see
 * older_apps.ts.
 *
 * POST search/suggestions {prefix, limit?} → what somebody may go on to write. POST search/objects {limit?, after?} →
 * the things that detectors saw, with counts.
 */
export function search(clock: Clock = REAL): Work {
  return async (body, call, path) => {
    const request = record(body, "body");
    if (Object.hasOwn(OLDER_PATHS, path) || isGiven(request.query)) {
      return await asOlderApps(request, path, call, {
        now: clock.now,
        ask: (question, page) => found(question, page, USUAL_WAIT_MS, call, clock),
      });
    }
    if (Object.hasOwn(WORDS, path)) {
      const word = WORDS[path];
      const told = await call(word.calls, asArguments(fieldsOf(request, word.fields, word.needs)));
      return path === "objects" ? withObjects(record(told, "answer")) : told;
    }
    return isGiven(request.by) ? await alike(request, call) : await asked(request, call, clock);
  };
}

async function asked(
  request: Record<string, unknown>,
  call: Verb,
  clock: Clock,
): Promise<unknown> {
  const { wait_ms = USUAL_WAIT_MS, limit, after, offset, as_written, ...question } = fieldsOf(
    request,
    {
      ...QUESTION,
      ...PAGE,
      offset: integer(0, 10_000),
      as_written: boolean,
      wait_ms: integer(0, LONGEST_WAIT_MS),
    },
    ["text"],
  );
  const page = { limit, after, offset, as_written };
  return await found(question, page, wait_ms as number, call, clock);
}

async function found(
  question: Record<string, unknown>,
  page: Record<string, unknown>,
  wait: number,
  call: Verb,
  clock: Clock,
): Promise<Record<string, unknown>> {
  const asked = asArguments(question);
  const waited = await answered(asked, call, clock, wait);
  const answer = await inTurn(clock, () => call("search", { ...asked, ...asArguments(page) }));
  return { ...record(answer, "answer"), timed_out: !waited };
}

/**
 * Whether there is nothing more to wait for, at the latest after so many milliseconds; at once where no worker is
 * there.
 */
async function answered(
  asked: Record<string, unknown>,
  call: Verb,
  clock: Clock,
  wait: number,
): Promise<boolean> {
  const deadline = clock.now() + wait;
  for (let pause = FIRST_LOOK_MS;;) {
    const { status, job } = await ask(asked, call);
    if (status !== "asked" && status !== "full") return true;
    const left = deadline - clock.now();
    if (left <= 0 || job?.attended === false) return false;
    pause = status === "full"
      ? Math.min(Math.max(pause, FIRST_FULL_MS), LAST_FULL_MS)
      : Math.min(pause, LAST_LOOK_MS);
    await clock.sleep(Math.min(pause, left));
    pause *= GROWTH;
  }
}

/** What the database answers when, soon, no more than may be of the user's other searches are being answered. */
async function inTurn(clock: Clock, search: () => Promise<unknown>): Promise<unknown> {
  const deadline = clock.now() + USUAL_WAIT_MS;
  for (let pause = FIRST_FULL_MS;; pause = Math.min(pause * GROWTH, LAST_FULL_MS)) {
    try {
      return await search();
    } catch (error) {
      if (!isFull(error) || clock.now() + pause > deadline) throw error;
    }
    await clock.sleep(pause);
  }
}

interface Asked {
  status?: string;
  job?: { attended?: boolean };
}

async function ask(asked: Record<string, unknown>, call: Verb): Promise<Asked> {
  try {
    return record(await call("ask_search", asked), "answer");
  } catch (error) {
    if (isFull(error)) return { status: "full" };
    throw error;
  }
}

/** As many of the user's searches wait, or are answered, as may: there will be room. */
function isFull(error: unknown): boolean {
  return error instanceof RequestError && error.code === "too_many_jobs";
}

async function alike(request: Record<string, unknown>, call: Verb): Promise<unknown> {
  const { by, ...more } = fieldsOf(request, { by: record, least: number(-1, 1), ...PAGE });
  const example = fieldsOf(by as Record<string, unknown>, EXAMPLE);
  if (Object.keys(example).length !== 1) {
    throw badParams("by", `one of ${Object.keys(EXAMPLE).join(", ")}`);
  }
  return await call("search_alike", asArguments({ ...example, ...more }));
}

function day(value: unknown, field: string): string {
  const date = typeof value === "string" && /^\d{4}-\d\d-\d\d$/.test(value) ? value : "";
  if (Number.isNaN(Date.parse(date))) throw badParams(field, "a day like 2026-05-01");
  return date;
}

function asArguments(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([_, value]) => value !== undefined)
      .map(([name, value]) => [`p_${name}`, value]),
  );
}
