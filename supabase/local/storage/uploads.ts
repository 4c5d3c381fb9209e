// An upload as HTTP brings it: a raw body, or a form with one file in it.

import { invalidRequest } from "./errors.ts";
import { piecesOf } from "./files.ts";
import { boundaryOf, type Part, partsOf } from "./multipart.ts";
import type { Offer, Upload } from "./objects.ts";

const MOST_FIELD_CHARACTERS = 1024 * 1024;

/** What a request would upload; its body is left alone until that is accepted. */
export function offerOf(request: Request): Offer {
  return {
    upsert: request.method === "PUT" || request.headers.get("x-upsert") === "true",
    declaredBytes: Number(request.headers.get("content-length") ?? 0),
    accept: () => uploadOf(request),
  };
}

async function uploadOf(request: Request): Promise<Upload> {
  const headers = request.headers;
  const contentType = headers.get("content-type") ?? "application/octet-stream";
  const cacheControl = headers.get("cache-control") ?? "no-cache";
  const body = piecesOf(request.body ?? new ReadableStream({ start: (one) => one.close() }));
  const boundary = boundaryOf(contentType);
  if (boundary === null) {
    const details = { userMetadata: metadataHeader(headers.get("x-metadata")) };
    return {
      contentType,
      cacheControl,
      body,
      details: () => details,
      close: () => body.return(null),
    };
  }
  const form = partsOf(body, boundary);
  try {
    return await formUpload(form);
  } catch (error) {
    await form.return(null);
    throw error;
  }
}

/** The form's one file, with the fields before it and, once the file is read, those after it. */
async function formUpload(form: AsyncGenerator<Part>): Promise<Upload> {
  const fields = new Map<string, string>();
  const readOn = async (): Promise<Part | null> => {
    for (let next = await form.next(); !next.done; next = await form.next()) {
      if (next.value.fileName !== null) return next.value;
      fields.set(next.value.name, await text(next.value.body));
    }
    return null;
  };
  const file = await readOn();
  if (file === null) throw invalidRequest("the form holds no file");
  async function* toTheEnd(body: AsyncIterable<Uint8Array>) {
    yield* body;
    await readOn();
  }
  return {
    contentType: file.contentType ?? "application/octet-stream",
    cacheControl: "no-cache",
    body: toTheEnd(file.body),
    close: () => form.return(null),
    details: () => {
      const seconds = fields.get("cacheControl");
      const metadata = fields.get("metadata");
      return {
        cacheControl: seconds === undefined ? undefined : `max-age=${seconds}`,
        userMetadata: metadata === undefined ? undefined : metadataField(metadata),
      };
    },
  };
}

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let whole = "";
  for await (const piece of body) {
    whole += decoder.decode(piece, { stream: true });
    if (whole.length > MOST_FIELD_CHARACTERS) {
      throw invalidRequest("a field of the form is too long");
    }
  }
  return whole + decoder.decode();
}

function metadataField(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    throw invalidRequest("the field metadata is not JSON");
  }
}

function metadataHeader(value: string | null): unknown {
  try {
    return value === null ? undefined : JSON.parse(atob(value));
  } catch {
    throw invalidRequest("x-metadata is not JSON in base64");
  }
}
