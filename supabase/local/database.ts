// Lite's connection, made to run each request the way PostgREST does: as `authenticator`, which may
// become only the roles granted to it, with role and claims set in one statement.

import type { AnyAST } from "@supabase/lite";
import { PostgresConnection } from "@supabase/lite/postgres";
import { sql } from "kysely";
import postgres from "postgres";
import { encodedArguments, encodedColumns, encodedOnce, isoTimestamp } from "./encoding.ts";
import { noting } from "./outage.ts";
import { type Database, inTransaction } from "./request.ts";
import { RoleSettings } from "./roles.ts";
import type { Settings } from "./settings.ts";

type Vars = Parameters<PostgresConnection["withContext"]>[0];
type ContextOptions = Parameters<PostgresConnection["withContext"]>[2];
type Schema = Awaited<ReturnType<PostgresConnection["introspect"]>>;
type Row = Record<string, unknown>;

const REQUEST_CONNECTIONS = 16;
const SERVICE_CONNECTIONS = 6;
/** Between two tries to connect. The library would wait up to 20 s, long after Postgres is back. */
const RECONNECT_SECONDS = 0.2;

export function databaseUrl(settings: Settings, role: "postgres" | "authenticator"): string {
  const password = role === "postgres" ? settings.databasePassword : settings.authenticatorPassword;
  return `postgres://${role}:${password}@127.0.0.1:${settings.databasePort}/postgres`;
}

/** Where lite's spelling of a value is not PostgREST's. */
const TYPES = {
  jsonb: {
    to: 3802,
    from: [3802],
    serialize: encodedOnce,
    parse: (text: string) => JSON.parse(text),
  },
  timestamp: { to: 1114, from: [1114], serialize: String, parse: isoTimestamp },
  timestamptz: { to: 1184, from: [1184], serialize: String, parse: isoTimestamp },
};

export class GatewayConnection extends PostgresConnection {
  /** Requests run here; `driver` and `kysely` stay with the superuser, for Auth's and Storage's own rows. */
  readonly requestPool: postgres.Sql;
  /** One connection of the superuser's that waits behind no other: Realtime watches commits by it. */
  readonly watch: postgres.Sql;
  readonly roles: RoleSettings;
  #reading: Promise<Schema> | undefined;
  #changes = 0;

  constructor(settings: Settings) {
    const shared = {
      onnotice: () => {},
      connect_timeout: 5,
      backoff: () => RECONNECT_SECONDS,
    };
    super({
      url: databaseUrl(settings, "postgres"),
      postgresOptions: { max: SERVICE_CONNECTIONS, types: TYPES, ...shared },
    });
    this.requestPool = postgres(databaseUrl(settings, "authenticator"), {
      max: REQUEST_CONNECTIONS,
      // Lite's own types and ours, but no more of its options: they carry the superuser's name.
      types: (this.driver.options as unknown as { types: typeof TYPES }).types,
      connection: { TimeZone: "UTC" },
      ...shared,
    });
    this.watch = postgres(databaseUrl(settings, "postgres"), { max: 1, ...shared });
    this.roles = new RoleSettings(this.driver);
  }

  override async withContext<T>(
    vars: Vars | undefined,
    run: (db: Database) => Promise<T>,
    options?: ContextOptions,
  ): Promise<T> {
    if (options?.transaction) {
      for (const [name, value] of settingsOf(vars, options)) {
        await sql`select set_config(${name}, ${value}, true)`.execute(options.transaction);
      }
      return run(options.transaction);
    }
    const undo = options?.forceRollback === true;
    if (!vars && !undo) return noting(() => run(this.kysely));
    const settings = settingsOf(vars, options);
    const transaction = {
      settings: new Map([...await noting(() => this.roles.of(settings.get("role")!)), ...settings]),
      // Calls of functions come in few shapes, and by the thousand.
      prepared: options?.rpc ? `schema ${this.#changes}` : null,
      undo,
    };
    return await noting(() => inTransaction(this.requestPool, transaction, run));
  }

  /** Read once however many ask, and read again when it changed meanwhile. */
  override introspect(options?: { useCache?: boolean }): Promise<Schema> {
    if (options?.useCache && this.introspection) return Promise.resolve(this.introspection);
    this.#reading ??= this.#read().finally(() => this.#reading = undefined);
    return this.#reading;
  }

  override async clearSchemaCache(): Promise<void> {
    this.#changes++;
    this.roles.forget();
    await super.clearSchemaCache();
  }

  async #read(): Promise<Schema> {
    for (let attempt = 0; attempt < 5; attempt++) {
      const changes = this.#changes;
      const found = await super.introspect();
      if (found.functions !== undefined && changes === this.#changes) return found;
      // Lite takes a database that does not answer for an empty one: this is where it shows.
      await noting(() => this.driver`select`);
      await super.clearSchemaCache();
    }
    throw new Error("the schema could not be read");
  }

  /** Runs before every REST request; here its values get their spelling. */
  override async onPostgrestAST(ast: AnyAST): Promise<AnyAST> {
    const known = await super.onPostgrestAST(ast);
    const { columns, functions } = await this.introspect({ useCache: true });
    const schema = known.schema ?? "public";
    if ("values" in known && known.values) {
      const types = new Map(
        columns.filter((one) => one.table === known.from && one.schema === schema)
          .map((one) => [one.name, one.pg_type]),
      );
      return { ...known, values: rows(known.values, types) } as AnyAST;
    }
    if (known.type === "rpc" && known.args && !Array.isArray(known.args)) {
      const called = functions?.filter((one) =>
        one.schema === schema && one.name === known.function
      );
      const types = new Map(
        called?.flatMap((one) => one.arg_names.map((name, at) => [name, one.arg_types[at]])),
      );
      return { ...known, args: encodedArguments(known.args as Row, types) };
    }
    return known;
  }

  override async close(): Promise<void> {
    const pools = [this.requestPool, this.watch, this.driver];
    await Promise.all(pools.map((pool) => pool.end({ timeout: 2 })));
  }
}

function rows(values: object, types: ReadonlyMap<string, string | undefined>): object {
  return Array.isArray(values)
    ? values.map((row: Row) => encodedColumns(row, types))
    : encodedColumns(values as Row, types);
}

/** What makes a transaction the caller's: role, claims and request, as PostgREST sets them. */
function settingsOf(vars: Vars | undefined, options?: ContextOptions): Map<string, string> {
  if (!vars) return new Map();
  const { auth, storage } = vars as {
    auth?: { role?: string; jwt?: { sub?: string } | null };
    storage?: { operation?: string | null };
  };
  const role = auth?.role || "anon";
  const settings = new Map([
    ["request.jwt.claims", JSON.stringify(auth?.jwt ?? { role })],
    ["request.jwt.claim.sub", auth?.jwt?.sub ?? ""],
    ["request.jwt.claim.role", role],
    ["storage.operation", storage?.operation ?? ""],
  ]);
  const rpc = options?.rpc;
  if (rpc) {
    settings.set("request.method", rpc.method);
    settings.set("request.path", rpc.path);
    settings.set("request.headers", JSON.stringify(rpc.requestHeaders ?? {}));
    settings.set("response.status", "");
    settings.set("response.headers", "");
    if (rpc.readOnly) settings.set("transaction_read_only", "on");
  }
  return settings.set("role", role);
}
