// Storage over HTTP, for objects. Buckets, moving and copying are lite's own.

import { isOutage } from "../outage.ts";
import { type Access, bodyRefusal, callerOf, MOST_BYTES, refusing } from "../admission.ts";
import { wholeBody } from "../body.ts";
import type { Claims } from "../tokens.ts";
import {
  internal,
  invalidKey,
  invalidRequest,
  objectNotFound,
  outage,
  StorageError,
} from "./errors.ts";
import { bodyOf } from "./files.ts";
import { FormError } from "./multipart.ts";
import { isKey, type Objects, type StoredObject } from "./objects.ts";
import { parseRange } from "./range.ts";
import { offerOf } from "./uploads.ts";

const PREFIX = "/storage/v1/object/";
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "content-range, content-length, etag, accept-ranges",
};

type Fetch = (request: Request) => Promise<Response>;

/** The answer to a request about objects, some of them lite's; null when it is about something else. */
export async function objectRoute(
  objects: Objects,
  access: Access,
  request: Request,
  lite: Fetch,
): Promise<Response | null> {
  const url = new URL(request.url);
  if (!url.pathname.startsWith(PREFIX) || request.method === "OPTIONS") return null;
  const parts = url.pathname.slice(PREFIX.length).split("/");
  try {
    const path = parts.map(decoded);
    if (request.method === "POST" && (path[0] === "move" || path[0] === "copy")) {
      return await relocated(objects, access, request, lite);
    }
    return await route(objects, access, request, url, path);
  } catch (error) {
    return await refusing(request, bodyRefusal("storage", error) ?? errorOf(error).response(CORS));
  }
}

function errorOf(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  if (error instanceof FormError) return invalidRequest(error.message);
  if (isOutage(error)) return outage();
  console.error("storage failed:", error);
  return internal();
}

/** Lite's own moving and copying, while nobody else writes at either place. */
async function relocated(
  objects: Objects,
  access: Access,
  request: Request,
  lite: Fetch,
): Promise<Response> {
  await callerOf(request, access);
  const body = await wholeBody(request, MOST_BYTES.storage);
  const { bucketId, sourceKey, destinationBucket, destinationKey } = fieldsOf(body);
  const [from, to] = [String(sourceKey), String(destinationKey)];
  if (!isKey(to)) throw invalidKey(to);
  const places: [string, string][] = [
    [String(bucketId), from],
    [String(destinationBucket ?? bucketId), to],
  ];
  return await objects.inTurn(places, () => lite(new Request(request, { body })));
}

async function route(
  objects: Objects,
  access: Access,
  request: Request,
  url: URL,
  path: string[],
): Promise<Response> {
  const reads = request.method === "GET" || request.method === "HEAD";
  const [first, second] = path;
  const claims = () => callerOf(request, access);
  if (reads && first === "public") {
    return await sent(await objects.findPublic(second, rest(path, 2)), request, url);
  }
  if (reads && first === "sign") {
    const token = url.searchParams.get("token") ?? "";
    return await sent(await objects.findSigned(token, second, rest(path, 2)), request, url);
  }
  if (reads && first === "info") {
    const at = second === "public" || second === "authenticated" ? 2 : 1;
    const found = second === "public"
      ? await objects.findPublic(path[at], rest(path, at + 1))
      : await objects.find(await claims(), path[at], rest(path, at + 1));
    return json(described(found));
  }
  if (reads) {
    const at = first === "authenticated" ? 1 : 0;
    return await sent(
      await objects.find(await claims(), path[at], rest(path, at + 1)),
      request,
      url,
    );
  }
  if (request.method === "POST" && first === "list") {
    return json(await objects.list(await claims(), second, listingOf(await bodyFields(request))));
  }
  if (request.method === "POST" && first === "sign") {
    return json(
      await signed(objects, await claims(), second, rest(path, 2), await bodyFields(request)),
    );
  }
  if (first === "upload" && second === "sign") {
    return await signedUpload(objects, claims, request, url, path);
  }
  if (request.method === "DELETE") return await removed(objects, await claims(), request, path);
  if (request.method === "POST" || request.method === "PUT") {
    const key = rest(path, 1);
    const id = await objects.upload(await claims(), first, key, offerOf(request));
    return json({ Key: `${first}/${key}`, Id: id });
  }
  throw invalidRequest(`no such route: ${request.method} ${url.pathname}`);
}

async function sent(found: StoredObject, request: Request, url: URL): Promise<Response> {
  const { stat, eTag } = found;
  const headers = new Headers({
    ...CORS,
    "accept-ranges": "bytes",
    "cache-control": found.cacheControl,
    "content-type": found.contentType,
    "etag": eTag,
    "last-modified": stat.changed.toUTCString(),
    "x-robots-tag": "none",
  });
  const name = url.searchParams.get("download");
  if (name !== null) {
    const named = name === "" ? "" : `; filename*=UTF-8''${encodeURIComponent(name)}`;
    headers.set("content-disposition", `attachment${named}`);
  }
  if (request.headers.get("if-none-match") === eTag) {
    return new Response(null, { status: 304, headers });
  }
  const range = parseRange(request.headers.get("range"), stat.size);
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${stat.size}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, length } = range ?? { start: 0, length: stat.size };
  if (range) headers.set("content-range", `bytes ${start}-${start + length - 1}/${stat.size}`);
  headers.set("content-length", String(length));
  const body = request.method === "HEAD" ? null : await bodyOf(found.path, start, length);
  return new Response(body, { status: range ? 206 : 200, headers });
}

async function signed(
  objects: Objects,
  claims: Claims,
  bucket: string,
  key: string,
  fields: Record<string, unknown>,
): Promise<unknown> {
  const seconds = Number(fields.expiresIn);
  if (!(seconds > 0)) throw invalidRequest("expiresIn must be a number of seconds above 0");
  const link = async (one: string) => {
    const token = await objects.sign(claims, bucket, one, seconds);
    return `/object/sign/${linked(bucket, one)}?token=${token}`;
  };
  if (key !== "") return { signedURL: await link(key) };
  const paths = Array.isArray(fields.paths) ? fields.paths.map(String) : [];
  return await Promise.all(paths.map(async (path) => {
    try {
      return { error: null, path, signedURL: await link(path) };
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      const reason = "Either the object does not exist or you do not have access to it";
      return { error: reason, path, signedURL: null };
    }
  }));
}

/** POST asks for a link to upload with, PUT is the upload through it. */
async function signedUpload(
  objects: Objects,
  claims: () => Promise<Claims>,
  request: Request,
  url: URL,
  path: string[],
): Promise<Response> {
  const [bucket, key] = [path[2], rest(path, 3)];
  if (request.method === "PUT") {
    await objects.uploadSigned(
      url.searchParams.get("token") ?? "",
      bucket,
      key,
      offerOf(request),
    );
    return json({ Key: `${bucket}/${key}` });
  }
  const upsert = request.headers.get("x-upsert") === "true";
  const token = await objects.signUpload(await claims(), bucket, key, upsert);
  return json({ url: `/object/upload/sign/${linked(bucket, key)}?token=${token}` });
}

function linked(bucket: string, key: string): string {
  return [bucket, ...key.split("/")].map(encodeURIComponent).join("/");
}

async function removed(
  objects: Objects,
  claims: Claims,
  request: Request,
  path: string[],
): Promise<Response> {
  if (path.length === 1) {
    const { prefixes } = await bodyFields(request);
    if (!Array.isArray(prefixes)) throw invalidRequest("prefixes must be a list of names");
    return json(await objects.remove(claims, path[0], prefixes.map(String)));
  }
  const gone = await objects.remove(claims, path[0], [rest(path, 1)]);
  if (gone.length === 0) throw objectNotFound();
  return json({ message: "Successfully deleted" });
}

function listingOf(fields: Record<string, unknown>) {
  const sort = (fields.sortBy ?? {}) as { column?: string; order?: string };
  return {
    prefix: String(fields.prefix ?? ""),
    limit: Number(fields.limit ?? 100),
    offset: Number(fields.offset ?? 0),
    search: String(fields.search ?? ""),
    sortColumn: String(sort.column ?? "name"),
    sortOrder: String(sort.order ?? "asc"),
  };
}

function described({ row, stat, eTag, contentType, cacheControl }: StoredObject) {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    bucket_id: row.bucket_id,
    size: stat.size,
    content_type: contentType,
    cache_control: cacheControl,
    etag: eTag,
    metadata: row.user_metadata ?? {},
    last_modified: stat.changed.toISOString(),
    created_at: row.created_at,
  };
}

async function bodyFields(request: Request): Promise<Record<string, unknown>> {
  return fieldsOf(await wholeBody(request, MOST_BYTES.storage));
}

function fieldsOf(body: Uint8Array): Record<string, unknown> {
  let fields: unknown;
  try {
    fields = JSON.parse(new TextDecoder().decode(body));
  } catch {
    fields = null;
  }
  if (fields === null || typeof fields !== "object") throw invalidRequest("the body is not JSON");
  return fields as Record<string, unknown>;
}

function rest(path: string[], from: number): string {
  return path.slice(from).join("/");
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidKey(part);
  }
}

function json(body: unknown): Response {
  return Response.json(body, { headers: CORS });
}
