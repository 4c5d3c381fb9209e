// Settings of roles (`alter role … set …`), which Postgres gives a role that signs in, and not one that is
// taken on with `set role`. PostgREST reads and gives them itself; so does this.

import type { Sql } from "postgres";

type Named = ReadonlyMap<string, string>;

const NONE: Named = new Map();

export class RoleSettings {
  readonly #sql: Sql;
  #reading: Promise<ReadonlyMap<string, Named>> | undefined;

  /** `sql` is the superuser's. */
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** What a request of this role has set; a role without settings keeps those of `authenticator`. */
  async of(role: string): Promise<Named> {
    this.#reading ??= this.#read().catch((error) => {
      this.#reading = undefined;
      throw error;
    });
    return (await this.#reading).get(role) ?? NONE;
  }

  /** They may have been changed: `notify pgrst, 'reload config'`, or a migration. */
  forget(): void {
    this.#reading = undefined;
  }

  /** Only what a role may set for itself; the search path is REST's own. */
  async #read(): Promise<ReadonlyMap<string, Named>> {
    const found = await this.#sql`
      select r.rolname as role, split_part(s.setting, '=', 1) as name,
             substr(s.setting, strpos(s.setting, '=') + 1) as value
        from pg_roles r
       cross join unnest(r.rolconfig) as s(setting)
        join pg_settings p on p.name = split_part(s.setting, '=', 1)
       where p.context = 'user'
         and p.name <> 'search_path'
         and pg_has_role('authenticator', r.oid, 'MEMBER')
         and r.rolname <> 'authenticator'`;
    const roles = new Map<string, Map<string, string>>();
    for (const { role, name, value } of found) {
      roles.set(role, (roles.get(role) ?? new Map()).set(name, value));
    }
    return roles;
  }
}
