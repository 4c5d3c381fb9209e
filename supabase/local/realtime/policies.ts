// What a subscriber may see, asked of Postgres under the subscriber's own role and claims.

import type { Sql } from "postgres";
import { asCaller, asTrial, become } from "../caller.ts";
import type { Claims } from "../tokens.ts";
import type { Relation, Row } from "./pgoutput.ts";

const FORBIDDEN = "42501";

/** What a role can see of a table, whoever has it. */
interface Reach {
  /** The key is granted, and some row might be shown. */
  sees: boolean;
  /** Row policies decide which. */
  confined: boolean;
}

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
  #keys = new Map<string, readonly string[]>();
  #reaches = new Map<string, Reach>();
  #bypassing = new Map<string, boolean>();

  /** `sql` is the superuser's, `requests` is `authenticator`'s: only its roles can be taken on there. */
  constructor(sql: Sql, requests: Sql) {
    this.#sql = sql;
    this.#requests = requests;
  }

  /** Forgets what it knows of roles, keys and types; they may have been changed by a migration. */
  forget(): void {
    this.#types = new Map();
    this.#keys = new Map();
    this.#reaches = new Map();
    this.#bypassing = new Map();
  }

  async typeNames(relation: Relation): Promise<Map<string, string>> {
    await this.#learn(relation);
    return new Map(relation.columns.map(({ name, type }) => [name, this.#types.get(type)!.name]));
  }

  /** The primary key's columns. Under `replica identity full` the log calls every column a key. */
  async primaryKey(relation: Relation): Promise<readonly string[]> {
    const table = sqlNameOf(relation);
    const known = this.#keys.get(table);
    if (known) return known;
    const found = await this.#sql`
      select a.attname::text as name
        from pg_index i
        join pg_attribute a on a.attrelid = i.indrelid
         and a.attnum = any(i.indkey)
       where i.indrelid = to_regclass(${table})
         and i.indisprimary`;
    const names = found.map(({ name }) => name);
    this.#keys.set(table, names);
    return names;
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
    const primary = await this.primaryKey(relation);
    const keys = relation.columns.filter(({ name }) => primary.includes(name));
    if (keys.length === 0) return { rows: new Set(), columns: new Set() };
    return await asCaller(this.#requests, claims, {}, async (sql) => {
      const table = sqlNameOf(relation);
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

  /**
   * Whether the caller may hear that this row is gone. Nothing is left to hold a policy against, except
   * where the log tells the whole row; else everyone hears of it who could see rows of the table at all.
   */
  async mayMiss(claims: Claims, relation: Relation, old: Row): Promise<boolean> {
    await this.#learn(relation);
    const keys = await this.primaryKey(relation);
    if (keys.length === 0) return false;
    try {
      const { sees, confined } = await this.#reach(claims, relation, keys);
      if (!sees || !confined || !relation.tellsAll) return sees;
      return await this.#couldSee(claims, relation, keys, old);
    } catch (error) {
      if ((error as { code?: string }).code !== FORBIDDEN) throw error;
      return false;
    }
  }

  async #reach(claims: Claims, relation: Relation, keys: readonly string[]): Promise<Reach> {
    const table = sqlNameOf(relation);
    const name = JSON.stringify([claims.role, table]);
    const known = this.#reaches.get(name);
    if (known) return known;
    const [{ confined, sees }] = await asCaller(this.#requests, claims, {}, (sql) =>
      sql`
        select row_security_active(${table}) as confined,
               (select bool_and(has_column_privilege(${table}, name, 'select'))
                  from unnest(${[...keys]}::text[]) as key(name))
               and (
                 not row_security_active(${table})
                 or exists (
                   select from pg_policy p, unnest(p.polroles) as r(role)
                    where p.polrelid = ${table}::regclass
                      and p.polpermissive
                      and p.polcmd in ('r', '*')
                      and (role = 0 or pg_has_role(role, 'usage'))
                 )
               ) as sees`);
    const reach = { confined, sees };
    this.#reaches.set(name, reach);
    return reach;
  }

  /** Puts the row back, looks at it as the caller, and undoes that; no trigger and no reader notices. */
  async #couldSee(
    claims: Claims,
    relation: Relation,
    keys: readonly string[],
    old: Row,
  ): Promise<boolean> {
    const table = sqlNameOf(relation);
    const type = new Map(
      relation.columns.map((one) => [one.name, this.#types.get(one.type)!.sqlName]),
    );
    return await asTrial(this.#sql, async (sql) => {
      await sql.unsafe(
        "set local session_replication_role = replica; set local lock_timeout = '1s'",
      );
      const generated = await sql`
        select attname::text as name
          from pg_attribute
         where attrelid = ${table}::regclass
           and attgenerated <> ''`;
      const names = Object.keys(old).filter((name) => !generated.some((one) => one.name === name));
      const values = names.map((name, at) => `$${at + 1}::text::${type.get(name)}`);
      await sql.unsafe(
        `insert into ${table} (${names.map(quoted)}) overriding system value values (${values})`,
        names.map((name) => old[name]) as never[],
      );
      await sql`set local session authorization authenticator`;
      await become(sql, claims);
      const matches = keys.map((key, at) => `${quoted(key)} = $${at + 1}::text::${type.get(key)}`);
      const found = await sql.unsafe(
        `select from ${table} where ${matches.join(" and ")}`,
        keys.map((key) => old[key]) as never[],
      );
      return found.length > 0;
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

function sqlNameOf({ schema, table }: Relation): string {
  return `${quoted(schema)}.${quoted(table)}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
