// What a subscriber may see, asked of Postgres under the subscriber's own role and claims.

import type { Sql } from "postgres";
import { asCaller, asTrial, become } from "../caller.ts";
import type { Claims } from "../tokens.ts";
import type { Relation, Row } from "./pgoutput.ts";

const FORBIDDEN = "42501";

export interface Sight {
  /** Which of the rows asked about may be selected, by their position. */
  rows: Set<number>;
  /** The columns that may be selected. */
  columns: Set<string>;
}

export class Policies {
  readonly #sql: Sql;
  readonly #requests: Sql;
  #types = new Map<number, { name: string; sqlName: string }>();
  #bypassing = new Map<string, boolean>();

  /** `sql` is the superuser's, `requests` is `authenticator`'s: only its roles can be taken on there. */
  constructor(sql: Sql, requests: Sql) {
    this.#sql = sql;
    this.#requests = requests;
  }

  /** Forgets what it knows of roles and types; they may have been changed by a migration. */
  forget(): void {
    this.#types = new Map();
    this.#bypassing = new Map();
  }

  async typeNames(relation: Relation): Promise<Map<string, string>> {
    await this.#learn(relation);
    return new Map(relation.columns.map(({ name, type }) => [name, this.#types.get(type)!.name]));
  }

  /** Whether row policies do not apply to a role (the service role). */
  async bypasses(role: string): Promise<boolean> {
    const known = this.#bypassing.get(role);
    if (known !== undefined) return known;
    const [found] = await this.#sql`
      select rolbypassrls and pg_has_role('authenticator', oid, 'MEMBER') as bypasses
        from pg_roles
       where rolname = ${role}`;
    const bypasses: boolean = found?.bypasses ?? false;
    this.#bypassing.set(role, bypasses);
    return bypasses;
  }

  /**
   * Which of these rows, still in the table, the caller may select. Without a primary key, or without
   * a right to the table: none.
   */
  async visible(claims: Claims, relation: Relation, rows: readonly Row[]): Promise<Sight> {
    try {
      return await this.#visible(claims, relation, rows);
    } catch (error) {
      if ((error as { code?: string }).code !== FORBIDDEN) throw error;
      return { rows: new Set(), columns: new Set() };
    }
  }

  async #visible(claims: Claims, relation: Relation, rows: readonly Row[]): Promise<Sight> {
    await this.#learn(relation);
    const keys = relation.columns.filter((column) => column.isKey);
    if (keys.length === 0) return { rows: new Set(), columns: new Set() };
    return await asCaller(this.#requests, claims, {}, async (sql) => {
      const table = `${quoted(relation.schema)}.${quoted(relation.table)}`;
      const [{ columns }] = await sql`
        select coalesce(array_agg(attname::text), '{}') as columns
          from pg_attribute
         where attrelid = ${table}::regclass
           and attnum > 0
           and not attisdropped
           and has_column_privilege(attrelid, attnum, 'select')`;
      const readable = new Set<string>(columns);
      if (!keys.every((key) => readable.has(key.name))) {
        return { rows: new Set<number>(), columns: readable };
      }
      const lists = keys.map((_, at) => `$${at + 1}::text[]`).join(", ");
      const names = keys.map((_, at) => `k${at}`).join(", ");
      const matches = keys.map((key, at) =>
        `t.${quoted(key.name)} = k${at}::${this.#types.get(key.type)!.sqlName}`
      ).join(" and ");
      const found = await sql.unsafe(
        `select n::int from unnest(${lists}) with ordinality as k(${names}, n)
          where exists (select from ${table} t where ${matches})`,
        keys.map((key) => rows.map((row) => row[key.name])) as never[],
      );
      return { rows: new Set(found.map(({ n }) => n - 1)), columns: readable };
    });
  }

  /** Whether the caller may receive broadcasts of a private topic: a message of it, could they select it? */
  async mayListen(claims: Claims, topic: string): Promise<boolean> {
    const id = crypto.randomUUID();
    try {
      return await asTrial(this.#sql, async (sql) => {
        await sql`
          insert into realtime.messages (id, topic, extension, event, payload, private)
          values (${id}, ${topic}, 'broadcast', 'probe', '{}', true)`;
        await sql`set local session authorization authenticator`;
        await become(sql, claims, { "realtime.topic": topic });
        const found = await sql`select from realtime.messages where id = ${id}`;
        return found.length === 1;
      });
    } catch (error) {
      if ((error as { code?: string }).code === FORBIDDEN) return false;
      throw error;
    }
  }

  async #learn(relation: Relation): Promise<void> {
    const unknown = relation.columns.filter(({ type }) => !this.#types.has(type));
    if (unknown.length === 0) return;
    const found = await this.#sql`
      select oid::bigint::text as oid, typname, oid::regtype::text as name
        from pg_type
       where oid = any(${unknown.map(({ type }) => String(type))}::oid[])`;
    for (const { oid, typname, name } of found) {
      this.#types.set(Number(oid), { name: typname, sqlName: name });
    }
    for (const { type } of unknown) {
      if (!this.#types.has(type)) this.#types.set(type, { name: "text", sqlName: "text" });
    }
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
