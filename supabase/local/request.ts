// One REST request's transaction: begun and made the caller's in a single trip to the database.

import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { ReservedSql, Sql } from "postgres";
import { losesConnection } from "./outage.ts";

// deno-lint-ignore no-explicit-any -- lite's own schema parameter
export type Database = Kysely<any>;

/** As long as PostgREST waits. */
const RESERVE_MILLISECONDS = 10_000;

export interface Transaction {
  /** Settings for the transaction; the role is the last, for after it nothing may be set. */
  settings: ReadonlyMap<string, string>;
  /** Statements are kept prepared under this name, as long as the schema is the same; null keeps none. */
  prepared: string | null;
  /** Keep the answer, undo the work. */
  undo: boolean;
}

export async function inTransaction<T>(
  pool: Sql,
  { settings, prepared, undo }: Transaction,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  const connection = await reserved(pool);
  let isLost = false;
  try {
    // Sent in this order and together: a query waits for its first `then`, unless it is told not to.
    await Promise.all([connection`begin`.execute(), enter(connection, settings).execute()]);
    const answer = await work(databaseOn(connection, prepared));
    await (undo ? connection`rollback` : connection`commit`);
    return answer;
  } catch (error) {
    isLost = losesConnection(error);
    if (!isLost) await connection`rollback`.catch(() => {});
    throw error;
  } finally {
    if (!isLost) connection.release();
  }
}

/** A connection of the pool. A wait that a lost connection left behind ends too: the library forgets it. */
async function reserved(pool: Sql): Promise<ReservedSql> {
  const waiting = pool.reserve();
  let timer: number | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const error = Object.assign(new Error("no connection was free"), { code: "CONNECT_TIMEOUT" });
    timer = setTimeout(() => reject(error), RESERVE_MILLISECONDS);
  });
  try {
    return await Promise.race([waiting, tooLong]);
  } catch (error) {
    waiting.then((connection) => connection.release(), () => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function enter(connection: ReservedSql, settings: ReadonlyMap<string, string>) {
  return connection`
    select set_config(name, value, true)
      from unnest(${[...settings.keys()]}::text[], ${[...settings.values()]}::text[])
           with ordinality as setting(name, value, place)
     order by place`;
}

/** Kysely on a connection that is ours already: nothing to acquire, nothing to begin. */
function databaseOn(connection: ReservedSql, prepared: string | null): Database {
  const only: DatabaseConnection = {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const text = prepared === null ? query.sql : `/* ${prepared} */ ${query.sql}`;
      const result = await connection.unsafe(text, query.parameters as never[], {
        prepare: prepared !== null,
      });
      const writes = ["INSERT", "UPDATE", "DELETE", "MERGE"].includes(result.command);
      return {
        rows: [...result] as R[],
        numAffectedRows: writes ? BigInt(result.count) : undefined,
      };
    },
    streamQuery: () => {
      throw new Error("a request's answer is not streamed");
    },
  };
  const nothing = () => Promise.resolve();
  const dialect: Dialect = {
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createDriver: () => ({
      init: nothing,
      acquireConnection: () => Promise.resolve(only),
      beginTransaction: () => Promise.reject(new Error("a request has its transaction already")),
      commitTransaction: nothing,
      rollbackTransaction: nothing,
      releaseConnection: nothing,
      destroy: nothing,
    }),
  };
  return new Kysely({ dialect });
}
