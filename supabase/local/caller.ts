// A transaction in somebody else's shoes: their role, their claims, their row policies.

import type { Sql, TransactionSql } from "postgres";
import type { Claims } from "./tokens.ts";

class Undo<T> extends Error {
  constructor(readonly answer: T) {
    super("undone on purpose");
  }
}

/** Runs `ask` as the caller and commits. `settings` are set for the transaction as well. */
export function asCaller<T>(
  sql: Sql,
  claims: Claims,
  settings: Record<string, string>,
  ask: (sql: TransactionSql) => Promise<T>,
): Promise<T> {
  return sql.begin(async (transaction) => {
    await become(transaction, claims, settings);
    return await ask(transaction);
  }) as Promise<T>;
}

/** Runs `ask`, keeps its answer and undoes what it did: how to ask a policy without writing. */
export async function asTrial<T>(sql: Sql, ask: (sql: TransactionSql) => Promise<T>): Promise<T> {
  try {
    return await sql.begin(async (transaction) => {
      throw new Undo(await ask(transaction));
    }) as T;
  } catch (error) {
    if (error instanceof Undo) return error.answer as T;
    throw error;
  }
}

/** Makes the rest of a transaction the caller's. The role comes last: it may set nothing any more. */
export async function become(
  sql: TransactionSql,
  claims: Claims,
  settings: Record<string, string> = {},
): Promise<void> {
  const all = {
    ...settings,
    "request.jwt.claims": JSON.stringify(claims),
    "request.jwt.claim.sub": claims.sub ?? "",
    "request.jwt.claim.role": claims.role,
    "role": claims.role,
  };
  await sql`
    select set_config(name, value, true)
      from unnest(${Object.keys(all)}::text[], ${
    Object.values(all)
  }::text[]) as setting(name, value)`;
}
