// One REST request's transaction: made the caller's, and ended with the request.

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
import type { Sql, TransactionSql } from "postgres";
import { losesConnection } from "./outage.ts";

// deno-lint-ignore no-explicit-any -- lite's own schema parameter
export type Database = Kysely<any>;

export interface Transaction {
  /** Settings for the transaction; the role is the last, for after it nothing may be set. */
  settings: ReadonlyMap<string, string>;
  /** Statements are kept prepared under this name, as long as the schema is the same; null keeps none. */
  prepared: string | null;
  /** Keep the answer, undo the work. */
  undo: boolean;
}

/** Ends a transaction whose work is to be undone, and carries its answer. */
class Undo<T> extends Error {
  constructor(readonly answer: T) {
    super("undone on purpose");
  }
}

// Not with `reserve`: a reservation that fails to connect is answered later, with a connection that then
// belongs to nobody, until the pool has none left.
export async function inTransaction<T>(
  pool: Sql,
  { settings, prepared, undo }: Transaction,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  try {
    return await pool.begin(async (connection) => {
      try {
        // Both are sent before the first is answered. Should it be refused, so is all work after it: the
        // transaction has failed. It is waited for even then, for it must not outlive its transaction.
        const entering = enter(connection, settings).execute();
        const [entered, worked] = await Promise.allSettled([
          entering,
          work(databaseOn(connection, prepared)),
        ]);
        if (entered.status === "rejected") throw entered.reason;
        if (worked.status === "rejected") throw worked.reason;
        const answer = worked.value;
        if (undo) throw new Undo(answer);
        return answer;
      } catch (error) {
        // The library would now send `rollback` into the closed socket, which ends the process or leaves
        // the connection mute for ever. So the work stays here, and `begin` rejects because of the close.
        if (losesConnection(error)) await new Promise(() => {});
        throw error;
      }
    }) as T;
  } catch (error) {
    if (error instanceof Undo) return error.answer as T;
    throw error;
  }
}

function enter(connection: TransactionSql, settings: ReadonlyMap<string, string>) {
  return connection`
    select set_config(name, value, true)
      from unnest(${[...settings.keys()]}::text[], ${[...settings.values()]}::text[])
           with ordinality as setting(name, value, place)
     order by place`;
}

/** Kysely on a connection that is ours already: nothing to acquire, nothing to begin. */
function databaseOn(connection: TransactionSql, prepared: string | null): Database {
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
