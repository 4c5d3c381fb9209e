/** From a request's body to the calls of the queue's verbs. Pure: nothing here touches the network. */

import { boolean, type Check, ids, integer, isGiven, moment, record } from "./checks.ts";
import { badParams, type RequestError } from "./errors.ts";
import { ABOUT_AN_ASSET, ALIASES, PARAMS } from "./kinds.ts";
import { OLDER_PARAMS } from "./older_kinds.ts";

/** More than this in one request belongs into a backfill, which pages on the server's side. */
export const MOST_PER_REQUEST = 100;

const ENVELOPE = new Set([
  "kind",
  "job_type",
  "asset_id",
  "asset_ids",
  "params",
  "priority",
  "run_at",
  "force",
]);
const KIND = /^[a-z][a-z0-9_]{0,62}$/;
const priority = integer(0, 1000); // the database lets nobody overtake the kind's own

/** The arguments of `enqueue_job`. Whose job it is follows from the caller's token alone. */
export interface EnqueueArguments {
  p_kind: string;
  p_asset_id: string | null;
  p_params: Record<string, unknown>;
  p_priority?: unknown;
  p_run_at?: string;
  p_force?: unknown;
}

/**
 * One call per asset, or a single one for a kind that is about no asset. Params stand under `params`, or
 * beside the envelope's own fields, which is where existing apps put `operations`; a param given in both
 * places is refused rather than guessed.
 */
export function enqueueCalls(body: unknown): EnqueueArguments[] {
  const request = record(body, "body");
  const kind = kindOf(request);
  const about = isGiven(request.asset_id) || isGiven(request.asset_ids) ||
    ABOUT_AN_ASSET.has(kind) || OLDER_PARAMS.has(kind);
  const assets = about ? ids(request, "asset_id", "asset_ids", MOST_PER_REQUEST) : [null];
  const shared = {
    p_params: paramsOf(request, kind),
    ...(isGiven(request.priority) && { p_priority: priority(request.priority, "priority") }),
    ...(isGiven(request.run_at) && { p_run_at: moment(request.run_at, "run_at") }),
    ...(isGiven(request.force) && { p_force: boolean(request.force, "force") }),
  };
  return assets.map((asset) => ({ p_kind: kind, p_asset_id: asset, ...shared }));
}

/** The arguments of `cancel_job`, one call per job. */
export function cancelCalls(body: unknown): { p_id: string }[] {
  const request = record(body, "body");
  refuseOthers(request, ["job_id", "job_ids"]);
  return ids(request, "job_id", "job_ids", MOST_PER_REQUEST).map((id) => ({ p_id: id }));
}

function kindOf(request: Record<string, unknown>): string {
  const given = [request.kind, request.job_type].filter(isGiven);
  if (given.length !== 1) throw badParams("kind", "either kind or job_type");
  const kind = given[0];
  if (typeof kind !== "string" || !KIND.test(kind)) {
    throw badParams(
      isGiven(request.kind) ? "kind" : "job_type",
      "the name of a kind of job, like optimize_image",
    );
  }
  return ALIASES.get(kind) ?? kind;
}

function paramsOf(request: Record<string, unknown>, kind: string): Record<string, unknown> {
  const nested = isGiven(request.params) ? record(request.params, "params") : {};
  const beside = Object.entries(request).filter(([name]) => !ENVELOPE.has(name));
  const checks = PARAMS.get(kind) ?? OLDER_PARAMS.get(kind);
  const params = new Map<string, unknown>();
  for (const [name, value] of Object.entries(nested)) {
    if (isGiven(value)) params.set(name, checked(checks, name, value, `params.${name}`));
  }
  for (const [name, value] of beside) {
    if (!isGiven(value)) continue;
    if (params.has(name)) throw badParams(name, "it once, either beside params or inside");
    params.set(name, checked(checks, name, value, name));
  }
  return Object.fromEntries(params);
}

function checked(
  checks: Record<string, Check> | undefined,
  name: string,
  value: unknown,
  field: string,
): unknown {
  if (checks === undefined) return value;
  if (!Object.hasOwn(checks, name)) throw unknownField(field, Object.keys(checks));
  return checks[name](value, field);
}

function refuseOthers(request: Record<string, unknown>, known: string[]): void {
  const other = Object.keys(request).find((name) => !known.includes(name));
  if (other !== undefined) throw unknownField(other, known);
}

function unknownField(field: string, known: string[]): RequestError {
  return badParams(field, `no such field, only ${known.join(", ")}`);
}
