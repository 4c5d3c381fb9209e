// Storage's errors: HTTP 400 whatever the reason, and the reason's own status in the body.

export class StorageError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }

  response(headers: HeadersInit): Response {
    const body = { statusCode: String(this.status), error: this.code, message: this.message };
    return Response.json(body, { status: this.status >= 500 ? this.status : 400, headers });
  }
}

export const bucketNotFound = () => new StorageError(404, "Bucket not found", "Bucket not found");
export const objectNotFound = () => new StorageError(404, "not_found", "Object not found");
export const duplicate = () => new StorageError(409, "Duplicate", "The resource already exists");
export const invalidKey = (key: string) =>
  new StorageError(400, "InvalidKey", `Invalid key: ${key}`);
export const invalidRequest = (message: string) => new StorageError(400, "InvalidRequest", message);
export const invalidToken = () => new StorageError(403, "Unauthorized", "Invalid Compact JWS");
export const tooLarge = () =>
  new StorageError(413, "Payload too large", "The object exceeded the maximum allowed size");
export const wrongType = (type: string) =>
  new StorageError(415, "invalid_mime_type", `mime type ${type} is not supported`);
export const refused = () =>
  new StorageError(403, "Unauthorized", "new row violates row-level security policy");
