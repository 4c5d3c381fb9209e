// Guesses at passwords and one-time codes are counted, for each account and address they come from. Lite
// counts none.

import { said } from "./admission.ts";

const MOST_FAILURES = 10;
const WINDOW_MS = 5 * 60 * 1000;
/** Pairs of an account and an address that are remembered; then the one that failed longest ago goes. */
const MOST_PAIRS = 10_000;

/** How often each name has failed within a window that begins with its first failure. */
export class Failures {
  readonly #now: () => number;
  readonly #most: number;
  readonly #counts = new Map<string, { failed: number; until: number }>();

  constructor(now: () => number = () => performance.now(), most: number = MOST_PAIRS) {
    this.#now = now;
    this.#most = most;
  }

  /** Counts a try as failed, until `forgive` says otherwise; false when there have been too many. */
  begin(name: string): boolean {
    const found = this.#counts.get(name);
    const current = found && found.until > this.#now()
      ? found
      : { failed: 0, until: this.#now() + WINDOW_MS };
    if (current.failed >= MOST_FAILURES) return false;
    this.#counts.delete(name); // so that it goes to the end: the map is in order of the last failure
    this.#counts.set(name, { ...current, failed: current.failed + 1 });
    while (this.#counts.size > this.#most) this.#counts.delete(this.#counts.keys().next().value!);
    return true;
  }

  /** The try succeeded: nothing is held against the name. */
  succeeded(name: string): void {
    this.#counts.delete(name);
  }

  /** The try was none, for a reason of our own. */
  forgive(name: string): void {
    const found = this.#counts.get(name);
    if (found) found.failed = Math.max(0, found.failed - 1);
  }

  get size(): number {
    return this.#counts.size;
  }
}

/** Lets a sign-in through to `serve`, unless its account has been guessed at too often from this address. */
export async function counted(
  failures: Failures,
  address: string,
  request: Request,
  serve: (request: Request) => Promise<Response>,
): Promise<Response> {
  if (!isGuess(request)) return await serve(request);
  const body = await request.bytes();
  const name = JSON.stringify([accountOf(body), address]);
  if (!failures.begin(name)) {
    return said("auth", 429, "over_request_rate_limit", "Request rate limit reached");
  }
  const response = await serve(new Request(request, { body }));
  if (response.ok) failures.succeeded(name);
  else if (response.status >= 500) failures.forgive(name);
  return response;
}

function isGuess(request: Request): boolean {
  const { pathname, searchParams } = new URL(request.url);
  if (request.method !== "POST") return false;
  return pathname === "/auth/v1/verify" ||
    (pathname === "/auth/v1/token" && searchParams.get("grant_type") === "password");
}

/** Whom a sign-in names, as Auth compares them; the empty account when it names nobody. */
function accountOf(body: Uint8Array): string {
  try {
    const { email, phone } = JSON.parse(new TextDecoder().decode(body));
    return String(email ?? phone ?? "").trim().toLowerCase().slice(0, 320);
  } catch {
    return "";
  }
}
