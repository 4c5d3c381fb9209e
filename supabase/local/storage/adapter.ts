// Lite's own view of the files, for what it does itself: moving, copying, emptying a bucket.

import type { App } from "@supabase/lite";
import { bodyOf, objectPath, removeFile, statOf, writeAside } from "./files.ts";

type Adapter = NonNullable<App["_storageAdapter"]>;
type Metadata = Awaited<ReturnType<Adapter["headObject"]>>;
type Body = ReadableStream<Uint8Array> | Uint8Array;

export class FileAdapter implements Adapter {
  readonly driver = null;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async getObject(bucket: string, key: string) {
    const metadata = await this.headObject(bucket, key);
    const path = objectPath(this.#root, bucket, key);
    const body = await bodyOf(path, 0, metadata.size) as ReadableStream | Uint8Array<ArrayBuffer>;
    return {
      metadata,
      httpStatusCode: 200,
      body: body instanceof Uint8Array ? new Blob([body]) : body,
    };
  }

  async uploadObject(
    bucket: string,
    key: string,
    _version: string | undefined,
    body: Parameters<Adapter["uploadObject"]>[3],
    contentType: string,
    cacheControl: string,
  ): Promise<Metadata> {
    const whole = body instanceof Uint8Array ? [body] : body as Exclude<Body, Uint8Array>;
    const aside = await writeAside(this.#root, objectPath(this.#root, bucket, key), whole);
    await aside.keep();
    const metadata = await this.headObject(bucket, key);
    return { ...metadata, eTag: aside.eTag, mimetype: contentType, cacheControl };
  }

  async deleteObject(bucket: string, key: string): Promise<void> {
    await removeFile(objectPath(this.#root, bucket, key));
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
    const aside = await writeAside(this.#root, path, file.readable);
    await aside.keep();
    const { lastModified } = await this.headObject(bucket, key);
    return { httpStatusCode: 200, eTag: aside.eTag, lastModified };
  }

  async headObject(bucket: string, key: string): Promise<Metadata> {
    const { size, changed, eTag } = await statOf(objectPath(this.#root, bucket, key));
    return {
      cacheControl: "no-cache",
      contentLength: size,
      size,
      mimetype: "application/octet-stream",
      lastModified: changed,
      eTag,
    };
  }

  privateAssetUrl(bucket: string, key: string): Promise<string> {
    return Promise.resolve(`file://${objectPath(this.#root, bucket, key)}`);
  }
}
