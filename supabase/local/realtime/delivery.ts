// From a change in the log to the channels that may know of it. Changes are taken in batches, so that
// a burst of inserts costs one question per table and subscriber, not one per row.

import type { Claims } from "../tokens.ts";
import { type Channel, subTopic, wanting } from "./channel.ts";
import type { Commits } from "./commits.ts";
import type { Change, Relation, Row } from "./pgoutput.ts";
import type { Policies, Sight } from "./policies.ts";
import { jsonValue } from "./values.ts";

const LARGEST_BATCH = 200;
const LARGEST_RECORD = 1024 * 1024;
const SMALL_FIELD = 64;

export class Delivery {
  readonly #policies: Policies;
  readonly #commits: Commits;
  readonly #channels: () => Iterable<Channel>;
  #waiting: Change[] = [];
  #busy = false;

  constructor(policies: Policies, commits: Commits, channels: () => Iterable<Channel>) {
    this.#policies = policies;
    this.#commits = commits;
    this.#channels = channels;
  }

  add(change: Change): void {
    this.#waiting.push(change);
    if (!this.#busy) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, LARGEST_BATCH);
        await this.#deliver(batch);
      }
    } finally {
      this.#busy = false;
    }
  }

  async #deliver(batch: readonly Change[]): Promise<void> {
    const sights = new Map<string, Sight>();
    if ([...this.#channels()].length === 0) return;
    await this.#commits.shown(new Set(batch.map(({ xid }) => xid)));
    for (const [at, change] of batch.entries()) {
      if (isMessage(change)) {
        this.#broadcast(change);
        continue;
      }
      for (const channel of [...this.#channels()]) {
        const ids = wanting(channel.bindings, change);
        if (ids.length === 0) continue;
        const data = await this.#dataFor(channel.claims, batch, at, sights).catch((error) => {
          console.error(`a change of ${change.relation.table} was not delivered:`, String(error));
          return null;
        });
        if (data) channel.send("postgres_changes", { ids, data });
      }
    }
  }

  #broadcast({ row }: Change): void {
    if (!row || row.extension !== "broadcast" || row.topic === null) return;
    for (const channel of this.#channels()) {
      if (subTopic(channel.topic) === row.topic && channel.private === (row.private === "t")) {
        const payload = row.payload === null ? {} : JSON.parse(row.payload);
        channel.send("broadcast", {
          type: "broadcast",
          event: row.event,
          payload,
          meta: { id: row.id },
        });
      }
    }
  }

  /** The event as this caller may see it; null when they may not see it at all. */
  async #dataFor(
    claims: Claims,
    batch: readonly Change[],
    at: number,
    sights: Map<string, Sight>,
  ): Promise<Record<string, unknown> | null> {
    const change = batch[at];
    const types = await this.#policies.typeNames(change.relation);
    if (await this.#policies.bypasses(claims.role)) {
      const keys = await this.#policies.primaryKey(change.relation);
      return described(change, types, keys, () => true, true);
    }
    const keys = await this.#policies.primaryKey(change.relation);
    if (change.command === "DELETE") {
      const may = await this.#policies.mayMiss(claims, change.relation, change.old ?? {});
      return may ? described(change, types, keys, (column) => keys.includes(column), false) : null;
    }
    const sight = await this.#sight(claims, batch, change.relation, sights);
    if (!sight.rows.has(at)) return null;
    return described(change, types, keys, (column) => sight.columns.has(column), false);
  }

  /** What this caller sees of all rows of one table in the batch, asked once. Positions are the batch's. */
  async #sight(
    claims: Claims,
    batch: readonly Change[],
    relation: Relation,
    sights: Map<string, Sight>,
  ): Promise<Sight> {
    const key = JSON.stringify([relation.schema, relation.table, claims]);
    const known = sights.get(key);
    if (known) return known;
    const positions: number[] = [];
    const rows: Row[] = [];
    for (const [at, { relation: of, row }] of batch.entries()) {
      if (row && of.schema === relation.schema && of.table === relation.table) {
        positions.push(at);
        rows.push(row);
      }
    }
    const seen = await this.#policies.visible(claims, relation, rows);
    const sight = { ...seen, rows: new Set([...seen.rows].map((n) => positions[n])) };
    sights.set(key, sight);
    return sight;
  }
}

function isMessage({ relation }: Change): boolean {
  return relation.schema === "realtime" && relation.table === "messages";
}

function described(
  change: Change,
  types: Map<string, string>,
  keys: readonly string[],
  readable: (column: string) => boolean,
  wholeOld: boolean,
): Record<string, unknown> {
  const { relation, command, row, old } = change;
  const before = old ?? row ?? {};
  const data: Record<string, unknown> = {
    schema: relation.schema,
    table: relation.table,
    commit_timestamp: change.committedAt.toISOString(),
    type: command,
    columns: relation.columns.filter(({ name }) => readable(name)).map(({ name }) => ({
      name,
      type: types.get(name),
    })),
    errors: null,
  };
  if (row) {
    const size = Object.values(row).reduce((sum, text) => sum + (text?.length ?? 0), 0);
    const fits = (text: string | null) =>
      size <= LARGEST_RECORD || (text?.length ?? 0) <= SMALL_FIELD;
    data.record = json(row, types, (name, text) => readable(name) && fits(text));
    if (size > LARGEST_RECORD) data.errors = ["Error 413: Payload Too Large"];
  }
  if (command !== "INSERT") {
    data.old_record = json(
      before,
      types,
      (name) => keys.includes(name) || (wholeOld && old !== null),
    );
  }
  return data;
}

function json(
  row: Row,
  types: Map<string, string>,
  wanted: (name: string, text: string | null) => boolean,
): Record<string, unknown> {
  const kept = Object.entries(row).filter(([name, text]) => wanted(name, text));
  return Object.fromEntries(
    kept.map(([name, text]) => [name, jsonValue(text, types.get(name) ?? "text")]),
  );
}
