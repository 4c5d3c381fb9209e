// One channel of one socket: what it listens to, as whom, and until when.

import type { Claims } from "../tokens.ts";
import { type Condition, FilterError, meets, parseFilter } from "./filters.ts";
import type { Change } from "./pgoutput.ts";

export interface Binding {
  id: number;
  event: string;
  schema: string;
  table: string | null;
  filter: string | null;
  conditions: Condition[];
}

export interface Channel {
  /** As the client spells it, `realtime:` included. */
  topic: string;
  joinRef: string | null;
  claims: Claims;
  private: boolean;
  bindings: Binding[];
  send(event: string, payload: Record<string, unknown>): void;
}

export function subTopic(topic: string): string {
  return topic.replace(/^realtime:/, "");
}

/** The bindings of a join, numbered; raises `FilterError` for one that cannot be understood. */
export function bindingsOf(config: Record<string, unknown>, nextId: () => number): Binding[] {
  const wanted = Array.isArray(config.postgres_changes) ? config.postgres_changes : [];
  return wanted.map((one) => {
    const event = String(one?.event ?? "*").toUpperCase();
    if (!["*", "INSERT", "UPDATE", "DELETE"].includes(event)) {
      throw new FilterError(`Error parsing event: ${event}`);
    }
    const filter = typeof one.filter === "string" && one.filter ? one.filter : null;
    return {
      id: nextId(),
      event,
      schema: String(one.schema ?? "public"),
      table: typeof one.table === "string" && one.table !== "*" ? one.table : null,
      filter,
      conditions: filter === null ? [] : parseFilter(filter),
    };
  });
}

/** Ids of the bindings that want a change, policies aside. A delete knows only the row's key. */
export function wanting(bindings: readonly Binding[], change: Change): number[] {
  const row = change.row ?? change.old ?? {};
  return bindings.filter((binding) =>
    (binding.event === "*" || binding.event === change.command) &&
    (binding.schema === "*" || binding.schema === change.relation.schema) &&
    (binding.table === null || binding.table === change.relation.table) &&
    meets(row, binding.conditions)
  ).map(({ id }) => id);
}
