// Objects: a row in `storage.objects`, whose policies decide, and a file. A row is written after its
// file and removed before it, so no row ever lacks its bytes; a crash in between leaves only a file.

import { type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { Sql } from "postgres";
import { BodyTooLong } from "../body.ts";
import { asCaller, asTrial, become } from "../caller.ts";
import type { Claims } from "../tokens.ts";
import { bucketNotFound, duplicate, invalidKey, invalidToken, objectNotFound } from "./errors.ts";
import { refused, tooLarge, wrongType } from "./errors.ts";
import { objectPath, removeFile, type Stat, statOf, Turns, writeAside } from "./files.ts";

/** What hosted Storage accepts in a name. */
const KEY = /^(?:\w|[/!\-.*'() &$@=;:+,?])+$/;
const LONGEST_KEY = 1024;
/** The longest file of a bucket that names no limit of its own. */
const MOST_FILE_BYTES = 5 * 1024 ** 3;
/** What a form may add to its file: boundaries, headers, metadata. */
const MOST_FORM_BYTES = 2 * 1024 * 1024;
const SIGNED_UPLOAD_SECONDS = 2 * 60 * 60;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface Upload {
  contentType: string;
  cacheControl: string;
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Asked for once the body has been read: in a form these may come after the file. */
  details(): { cacheControl?: string; userMetadata?: unknown };
  /** Lets go of what has not been read of the body. */
  close(): Promise<unknown>;
}

/** An upload whose body has not been touched yet. */
export interface Offer {
  upsert: boolean;
  /** What the request says of its body's length; 0 when it says nothing. */
  declaredBytes: number;
  accept(): Promise<Upload>;
}

export interface StoredObject {
  path: string;
  stat: Stat;
  eTag: string;
  contentType: string;
  cacheControl: string;
  row: Record<string, unknown>;
}

export interface Listing {
  prefix: string;
  limit: number;
  offset: number;
  search: string;
  sortColumn: string;
  sortOrder: string;
}

interface Bucket {
  id: string;
  public: boolean;
  limit: string | null;
  types: string[] | null;
}

export class Objects {
  readonly #root: string;
  /** Without policies: for what a caller has been allowed already. */
  readonly #service: Sql;
  /** As `authenticator`, to become the caller. */
  readonly #requests: Sql;
  readonly #secret: Uint8Array;
  readonly #turns = new Turns();

  constructor(root: string, service: Sql, requests: Sql, jwtSecret: string) {
    this.#root = root;
    this.#service = service;
    this.#requests = requests;
    this.#secret = new TextEncoder().encode(jwtSecret);
  }

  /** Answers the object's id. Raises before a byte is read when the caller may not, or the place is taken. */
  async upload(claims: Claims, bucketId: string, key: string, offer: Offer): Promise<string> {
    if (!isKey(key)) throw invalidKey(key);
    const bucket = await this.#bucket(bucketId);
    const most = Number(bucket.limit ?? MOST_FILE_BYTES);
    await this.#mayWrite(claims, bucketId, key, offer.upsert);
    if (offer.declaredBytes > most + MOST_FORM_BYTES) throw tooLarge();
    const upload = await offer.accept();
    try {
      if (!allows(bucket.types, upload.contentType)) throw wrongType(upload.contentType);
      return await this.#store(claims, bucketId, key, offer.upsert, upload, most);
    } finally {
      await upload.close();
    }
  }

  async #store(
    claims: Claims,
    bucketId: string,
    key: string,
    upsert: boolean,
    upload: Upload,
    most: number,
  ): Promise<string> {
    const path = objectPath(this.#root, bucketId, key);
    const aside = await writeAside(this.#root, path, upload.body, most).catch((error) => {
      throw error instanceof BodyTooLong ? tooLarge() : error;
    });
    try {
      return await this.#turns.take(path, async () => {
        // Another upload may have been faster: it was not there when this one's body began.
        if (!upsert && await this.#exists(bucketId, key)) throw duplicate();
        await aside.keep();
        const stat = { ...await statOf(path), eTag: aside.eTag };
        return await this.#record(claims, bucketId, key, upload, stat);
      });
    } catch (error) {
      await aside.discard();
      throw error;
    }
  }

  /** Runs `act` while no upload and no removal touches one of these objects. */
  async inTurn<T>(objects: [bucket: string, key: string][], act: () => Promise<T>): Promise<T> {
    const paths = objects.map(([bucket, key]) => objectPath(this.#root, bucket, key));
    // In one order for all: two who wait for each other would wait for ever.
    const inside = ([path, ...others]: string[]): Promise<T> =>
      path === undefined ? act() : this.#turns.take(path, () => inside(others));
    return await inside([...new Set(paths)].sort());
  }

  /** What the caller may see of an object; in a public bucket, when `isPublic`, that is everything. */
  async find(claims: Claims | null, bucketId: string, key: string): Promise<StoredObject> {
    const ask = (sql: Sql) =>
      sql`
        select o.*
          from storage.objects o
         where o.bucket_id = ${bucketId}
           and o.name = ${key}`;
    const rows = claims === null
      ? await ask(this.#service)
      : await asCaller(this.#requests, claims, {}, (sql) => ask(sql as unknown as Sql));
    if (rows.length === 0) throw objectNotFound();
    return await this.#stored(rows[0]);
  }

  async findPublic(bucketId: string, key: string): Promise<StoredObject> {
    const bucket = await this.#bucket(bucketId);
    if (!bucket.public) throw bucketNotFound();
    return await this.find(null, bucketId, key);
  }

  /** Folders first, each once, then the objects of the folder `prefix`. */
  async list(
    claims: Claims,
    bucketId: string,
    listing: Listing,
  ): Promise<Record<string, unknown>[]> {
    await this.#bucket(bucketId);
    const folder = listing.prefix.replace(/^\/+|\/+$/g, "");
    const start = folder === "" ? "" : `${folder}/`;
    const columns = ["name", "created_at", "updated_at", "last_accessed_at"];
    const column = columns.includes(listing.sortColumn) ? listing.sortColumn : "name";
    const order = listing.sortOrder.toLowerCase() === "desc" ? "desc" : "asc";
    return await asCaller(this.#requests, claims, {}, (sql) =>
      sql.unsafe(
        `with inside as (
           select substr(name, length($2) + 1) as rest, id, created_at, updated_at, last_accessed_at, metadata
             from storage.objects
            where bucket_id = $1
              and starts_with(name, $2 || $3)
         ), entries as (
           select 0 as rank, split_part(rest, '/', 1) as name, null::uuid as id,
                  null::timestamptz as created_at, null::timestamptz as updated_at,
                  null::timestamptz as last_accessed_at, null::jsonb as metadata
             from inside
            where strpos(rest, '/') > 0
            group by split_part(rest, '/', 1)
            union all
           select 1, rest, id, created_at, updated_at, last_accessed_at, metadata
             from inside
            where strpos(rest, '/') = 0
         )
         select name, id, to_jsonb(updated_at) as updated_at, to_jsonb(created_at) as created_at,
                to_jsonb(last_accessed_at) as last_accessed_at, metadata
           from entries
          order by rank, ${column} ${order}, name
          limit $4
         offset $5`,
        [bucketId, start, listing.search, listing.limit, listing.offset],
      )) as unknown as Record<string, unknown>[];
  }

  /** The rows the caller could delete; names that are not there or not theirs are passed over. */
  async remove(
    claims: Claims,
    bucketId: string,
    keys: string[],
  ): Promise<Record<string, unknown>[]> {
    await this.#bucket(bucketId);
    const removed: Record<string, unknown>[] = [];
    for (const key of [...new Set(keys)].sort()) {
      const path = objectPath(this.#root, bucketId, key);
      await this.#turns.take(path, async () => {
        const rows = await asCaller(this.#requests, claims, {}, (sql) =>
          sql`
            delete from storage.objects
             where bucket_id = ${bucketId}
               and name = ${key}
         returning *`);
        if (rows.length > 0) await removeFile(path);
        removed.push(...rows);
      });
    }
    return removed;
  }

  /** A token that opens one object to whoever holds it, for as long as it says. */
  async sign(claims: Claims, bucketId: string, key: string, seconds: number): Promise<string> {
    await this.find(claims, bucketId, key);
    return await this.#token({ url: `${bucketId}/${key}` }, seconds);
  }

  async findSigned(token: string, bucketId: string, key: string): Promise<StoredObject> {
    await this.#opened(token, bucketId, key, false);
    return await this.find(null, bucketId, key);
  }

  /** A token with which whoever holds it may store one object in the caller's name. */
  async signUpload(
    claims: Claims,
    bucketId: string,
    key: string,
    upsert: boolean,
  ): Promise<string> {
    if (!isKey(key)) throw invalidKey(key);
    await this.#bucket(bucketId);
    await this.#mayWrite(claims, bucketId, key, upsert);
    const content = { url: `${bucketId}/${key}`, upload: true, owner: claims.sub, upsert };
    return await this.#token(content, SIGNED_UPLOAD_SECONDS);
  }

  async uploadSigned(
    token: string,
    bucketId: string,
    key: string,
    offer: Offer,
  ): Promise<string> {
    const { owner, upsert } = await this.#opened(token, bucketId, key, true);
    const claims: Claims = { role: "service_role", sub: owner as string | undefined };
    return await this.upload(claims, bucketId, key, { ...offer, upsert: upsert === true });
  }

  async #token(content: Record<string, unknown>, seconds: number): Promise<string> {
    return await new SignJWT(content)
      .setProtectedHeader({ alg: "HS256" })
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(this.#secret);
  }

  async #opened(
    token: string,
    bucketId: string,
    key: string,
    upload: boolean,
  ): Promise<JWTPayload> {
    const verified = await jwtVerify(token, this.#secret, { algorithms: ["HS256"] }).catch(() =>
      null
    );
    const content = verified?.payload;
    if (content?.url !== `${bucketId}/${key}` || (content.upload === true) !== upload) {
      throw invalidToken();
    }
    return content;
  }

  async #bucket(id: string): Promise<Bucket> {
    const [bucket] = await this.#service<Bucket[]>`
      select id, public, file_size_limit::text as limit, allowed_mime_types as types
        from storage.buckets
       where id = ${id}`;
    if (!bucket) throw bucketNotFound();
    return bucket;
  }

  async #exists(bucketId: string, key: string): Promise<boolean> {
    const found = await this.#service`
      select from storage.objects where bucket_id = ${bucketId} and name = ${key}`;
    return found.length > 0;
  }

  /** Asks the policies by trying: as the caller, and undone. */
  async #mayWrite(claims: Claims, bucketId: string, key: string, upsert: boolean): Promise<void> {
    const owner = claims.sub ?? null;
    try {
      await asTrial(this.#requests, async (sql) => {
        await become(sql, claims);
        await sql`
          insert into storage.objects (bucket_id, name, owner, owner_id, version)
          values (${bucketId}, ${key}, ${asUuid(owner)}, ${owner}, '1')
          ${
          upsert
            ? sql`on conflict (bucket_id, name) do update set version = excluded.version`
            : sql``
        }`;
      });
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "23505") throw duplicate();
      if (code === "42501") throw refused();
      throw error;
    }
  }

  async #record(
    claims: Claims,
    bucketId: string,
    key: string,
    upload: Upload,
    stat: Stat,
  ): Promise<string> {
    const owner = claims.sub ?? null;
    const { cacheControl, userMetadata } = upload.details();
    const metadata = {
      eTag: stat.eTag,
      size: stat.size,
      mimetype: upload.contentType,
      cacheControl: cacheControl ?? upload.cacheControl,
      lastModified: stat.changed.toISOString(),
      contentLength: stat.size,
      httpStatusCode: 200,
    };
    const [row] = await this.#service`
      insert into storage.objects as o (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
      values (
        ${bucketId}, ${key}, ${asUuid(owner)}, ${owner}, ${crypto.randomUUID()},
        ${JSON.stringify(metadata)}::text::jsonb,
        ${userMetadata === undefined ? null : JSON.stringify(userMetadata)}::text::jsonb
      )
      on conflict (bucket_id, name) do update
         set owner = excluded.owner,
             owner_id = excluded.owner_id,
             version = excluded.version,
             metadata = excluded.metadata,
             user_metadata = coalesce(excluded.user_metadata, o.user_metadata),
             updated_at = now()
      returning o.id`;
    return row.id;
  }

  async #stored(row: Record<string, unknown>): Promise<StoredObject> {
    const path = objectPath(this.#root, String(row.bucket_id), String(row.name));
    const metadata = row.metadata as
      | { eTag?: string; mimetype?: string; cacheControl?: string }
      | null;
    const stat = await statOf(path).catch(() => {
      throw objectNotFound();
    });
    return {
      path,
      stat,
      row,
      // From the row, as hosted Storage: what the database compares and what a download says are the same.
      eTag: metadata?.eTag ?? stat.eTag,
      contentType: metadata?.mimetype ?? "application/octet-stream",
      cacheControl: metadata?.cacheControl ?? "no-cache",
    };
  }
}

/** Whether Storage takes a name; all that it takes are characters of one byte. */
export function isKey(key: string): boolean {
  return KEY.test(key) && key.length <= LONGEST_KEY && !key.startsWith("/") &&
    !key.split("/").some((part) => part === "." || part === "..");
}

function allows(types: string[] | null, type: string): boolean {
  if (types === null || types.length === 0) return true;
  const plain = type.split(";")[0].trim().toLowerCase();
  return types.some((one) =>
    one === plain || (one.endsWith("/*") && plain.startsWith(one.slice(0, -1)))
  );
}

function asUuid(owner: string | null): string | null {
  return owner !== null && UUID.test(owner) ? owner : null;
}
