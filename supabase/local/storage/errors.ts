// Storage's errors: HTTP 400 whatever the reason, and the reason's own status in the body, under an
// old name (`error`) and a new one (`code`); each of the clients reads another of the two.

export class StorageError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly error: string,
    message: string,
  ) {
    super(message);
  }

  response(headers: HeadersInit): Response {
    const { status, code, error, message } = this;
    const body = { statusCode: String(status), code, error, message };
    return Response.json(body, { status: status >= 500 ? status : 400, headers });
  }
}

export const bucketNotFound = () =>
  new StorageError(404, "NoSuchBucket", "Bucket not found", "Bucket not found");
export const objectNotFound = () =>
  new StorageError(404, "NoSuchKey", "not_found", "Object not found");
export const duplicate = () =>
  new StorageError(409, "ResourceAlreadyExists", "Duplicate", "The resource already exists");
export const invalidKey = (key: string) =>
  new StorageError(400, "InvalidKey", "InvalidKey", `Invalid key: ${key}`);
export const invalidRequest = (message: string) =>
  new StorageError(400, "InvalidRequest", "invalid_request", message);
export const invalidToken = () =>
  new StorageError(403, "AccessDenied", "Unauthorized", "Invalid Compact JWS");
export const tooLarge = () =>
  new StorageError(
    413,
    "EntityTooLarge",
    "Payload too large",
    "The object exceeded the maximum allowed size",
  );
export const timedOut = () =>
  new StorageError(408, "RequestTimeout", "RequestTimeout", "The body did not arrive in time");
export const wrongType = (type: string) =>
  new StorageError(
    415,
    "InvalidMimeType",
    "invalid_mime_type",
    `mime type ${type} is not supported`,
  );
export const refused = () =>
  new StorageError(
    403,
    "AccessDenied",
    "Unauthorized",
    "new row violates row-level security policy",
  );
export const internal = () =>
  new StorageError(500, "InternalError", "InternalError", "Internal server error");
export const outage = () =>
  new StorageError(
    544,
    "DatabaseTimeout",
    "DatabaseTimeout",
    "The connection to the database timed out",
  );
