// When a commit can be seen. The log tells of one as soon as it is on disk, and other transactions see
// its rows a moment later, on a busy machine some milliseconds: whoever hears of it and looks at once would
// find nothing, and hear nothing again.

import type { Sql } from "postgres";

const LONGEST_MS = 1_000;
const PAUSE_MS = 1;

export class Commits {
  readonly #sql: Sql;

  /** `sql` is a superuser's, and nobody else's: no news may wait behind a sign-in. */
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Waits until what these transactions wrote can be seen, but no longer than a second. */
  shown(xids: ReadonlySet<number>): Promise<void> {
    return new Promise((resolve) => {
      const waited = setTimeout(resolve, LONGEST_MS);
      this.#look(xids, Date.now() + LONGEST_MS).catch(console.error).finally(() => {
        clearTimeout(waited);
        resolve();
      });
    });
  }

  async #look(xids: ReadonlySet<number>, until: number): Promise<void> {
    while (await this.#areUnderWay(xids) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #areUnderWay(xids: ReadonlySet<number>): Promise<boolean> {
    const [{ found }] = await this.#sql`
      select exists (
               select from pg_stat_get_activity(null)
                where backend_xid = any(${[...xids].map(String)}::text[]::xid[])
             ) as found`;
    return found;
  }
}
