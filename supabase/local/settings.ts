// The installation's ports, keys and folders, as `kizu local up` wrote them.

import type { SigningKey } from "./tokens.ts";

export interface Settings {
  /** Answers `/health`, so that `up` can tell its own gateway from a stranger on the port. */
  instance: string;
  apiPort: number;
  databasePort: number;
  databasePassword: string;
  authenticatorPassword: string;
  publishableKey: string;
  secretKey: string;
  /** The legacy shared secret, which also signs the addresses of stored objects. */
  jwtSecret: string;
  /** The first one signs, the others only verify. */
  signingKeys: SigningKey[];
  /** Folder of the stored objects. */
  storage: string;
  /** The project's `supabase` folder: `functions/` and `config.toml`. */
  project: string;
}

export function apiUrl(settings: Settings): string {
  return `http://127.0.0.1:${settings.apiPort}`;
}

/** `path` is the installation's `config.json`; the folders may have moved since it was written. */
export async function readSettings(
  path: string,
  project: string,
  storage: string,
): Promise<Settings> {
  const file = JSON.parse(await Deno.readTextFile(path));
  return {
    instance: file.instance,
    apiPort: file.api_port,
    databasePort: file.database_port,
    databasePassword: file.database_password,
    authenticatorPassword: file.authenticator_password,
    publishableKey: file.publishable_key,
    secretKey: file.secret_key,
    jwtSecret: file.jwt_secret,
    signingKeys: file.signing_keys,
    project,
    storage,
  };
}
