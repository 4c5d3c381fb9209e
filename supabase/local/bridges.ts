// Where lite's answers differ from the service's, they are put right here, on their way out. Each has
// its test against the official clients in tests/contract.

/** `2026-11-20 11:03:43.341+00` as a client of GoTrue expects it: `2026-11-20T11:03:43.341+00:00`. */
export function isoTimestamp(text: string): string {
  const parts = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(?::?(\d\d))?$/.exec(text);
  if (!parts) return text;
  const [, date, time, hours, minutes] = parts;
  return `${date}T${time}${hours}:${minutes ?? "00"}`;
}

/** Every timestamp of an Auth answer in ISO 8601. What a user wrote about themselves stays as it is. */
export function withIsoTimestamps(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withIsoTimestamps);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    if (key === "user_metadata" || key === "app_metadata" || key === "identity_data") {
      return [key, inner];
    }
    if (key.endsWith("_at") && typeof inner === "string") return [key, isoTimestamp(inner)];
    return [key, withIsoTimestamps(inner)];
  });
  return Object.fromEntries(entries);
}

/** Storage says `signedURL`, and its path starts below `/storage/v1`; uploads say `url`. */
export function withSignedUrls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSignedUrls);
  if (value === null || typeof value !== "object" || !("signedUrl" in value)) return value;
  const { signedUrl, ...rest } = value as { signedUrl: string; token?: string };
  const path = signedUrl.replace(/^\/storage\/v1/, "");
  return "token" in rest ? { ...rest, url: path } : { ...rest, signedURL: path || null };
}

/** Lite's answer with the service's body. Anything that is not JSON passes through untouched. */
export async function bridged(path: string, response: Response): Promise<Response> {
  const change = path.startsWith("/auth/v1/")
    ? withIsoTimestamps
    : path.startsWith("/storage/v1/object/") && path.includes("/sign")
    ? withSignedUrls
    : undefined;
  if (!change || !response.headers.get("content-type")?.includes("application/json")) {
    return response;
  }
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  const body = JSON.stringify(change(await response.json()));
  return new Response(body, { status: response.status, headers });
}
