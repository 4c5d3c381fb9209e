// Stored objects as plain files under `<root>/<bucket>/<key>`. What a file is (its type and cache
// rule) is in its row of `storage.objects`; here are only bytes.

import { dirname, join } from "node:path";
import type { App } from "@supabase/lite";
import type { Sql } from "postgres";

type Adapter = NonNullable<App["_storageAdapter"]>;
type Metadata = Awaited<ReturnType<Adapter["headObject"]>>;
type Body = ReadableStream<Uint8Array> | Uint8Array;

/** Where an object lies. No name can leave its bucket, and no two names share a file. */
export function objectPath(root: string, bucket: string, key: string): string {
  return join(root, ...[bucket, ...key.split("/")].map(fileName));
}

function fileName(part: string): string {
  if (part === "") return "%";
  if (part === "." || part === "..") return part.replaceAll(".", "%2E");
  return encodeURIComponent(part);
}

export class FileStorage implements Adapter {
  readonly driver = null;
  readonly #root: string;
  readonly #sql: Sql;

  constructor(root: string, sql: Sql) {
    this.#root = root;
    this.#sql = sql;
  }

  async getObject(bucket: string, key: string) {
    const metadata = await this.headObject(bucket, key);
    const file = await Deno.open(objectPath(this.#root, bucket, key), { read: true });
    return { metadata, httpStatusCode: 200, body: file.readable };
  }

  async uploadObject(
    bucket: string,
    key: string,
    _version: string | undefined,
    body: Parameters<Adapter["uploadObject"]>[3],
    contentType: string,
    cacheControl: string,
  ): Promise<Metadata> {
    const path = objectPath(this.#root, bucket, key);
    await writeWhole(path, body as Body);
    return { ...await fileMetadata(path), mimetype: contentType, cacheControl };
  }

  async deleteObject(bucket: string, key: string): Promise<void> {
    await Deno.remove(objectPath(this.#root, bucket, key)).catch(unlessMissing);
  }

  async deleteObjects(bucket: string, keys: string[]): Promise<void> {
    for (const key of keys) await this.deleteObject(bucket, key);
  }

  async copyObject(
    sourceBucket: string,
    source: string,
    _version: string | undefined,
    bucket: string,
    key: string,
  ) {
    const file = await Deno.open(objectPath(this.#root, sourceBucket, source), { read: true });
    const path = objectPath(this.#root, bucket, key);
    await writeWhole(path, file.readable);
    const { eTag, lastModified } = await fileMetadata(path);
    return { httpStatusCode: 200, eTag, lastModified };
  }

  async headObject(bucket: string, key: string): Promise<Metadata> {
    const [row] = await this.#sql`
      select metadata ->> 'mimetype' as mimetype, metadata ->> 'cacheControl' as cache
        from storage.objects
       where bucket_id = ${bucket}
         and name = ${key}`;
    const file = await fileMetadata(objectPath(this.#root, bucket, key));
    return {
      ...file,
      mimetype: row?.mimetype ?? file.mimetype,
      cacheControl: row?.cache ?? file.cacheControl,
    };
  }

  privateAssetUrl(bucket: string, key: string): Promise<string> {
    return Promise.resolve(`file://${objectPath(this.#root, bucket, key)}`);
  }
}

async function fileMetadata(path: string): Promise<Metadata> {
  const found = await Deno.stat(path);
  const changed = found.mtime ?? new Date(0);
  return {
    cacheControl: "no-cache",
    contentLength: found.size,
    size: found.size,
    mimetype: "application/octet-stream",
    lastModified: changed,
    eTag: `"${changed.getTime().toString(16)}-${found.size.toString(16)}"`,
  };
}

/** Readers see the old bytes or the new ones, never a part: written aside, then renamed. */
async function writeWhole(path: string, body: Body): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const aside = join(dirname(path), `.${crypto.randomUUID()}.part`);
  try {
    await Deno.writeFile(aside, body, { createNew: true });
    await Deno.rename(aside, path);
  } catch (error) {
    await Deno.remove(aside).catch(unlessMissing);
    throw error;
  }
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
