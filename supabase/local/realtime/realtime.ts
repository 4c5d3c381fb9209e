// Realtime at `/realtime/v1/websocket`: the sockets, the log, and the bridge between them.

import type { Sql } from "postgres";
import type { Claims, Tokens } from "../tokens.ts";
import { type Channel, subTopic } from "./channel.ts";
import { Commits } from "./commits.ts";
import { Delivery } from "./delivery.ts";
import type { Change } from "./pgoutput.ts";
import { Policies } from "./policies.ts";
import type { Version } from "./protocol.ts";
import { type Listener, Replication } from "./replication.ts";
import { ClientSocket, type House } from "./socket.ts";

const KEEP_MESSAGES = "3 days";
const PRUNE_EVERY_MS = 60 * 60 * 1000;

export interface Options {
  /** Superuser's address, with the right to replicate. */
  databaseUrl: string;
  sql: Sql;
  /** As `authenticator`. */
  requests: Sql;
  /** For `Commits` alone. */
  watch: Sql;
  tokens: Tokens;
  /** Called whenever the database has been reached, again or for the first time. */
  connected(): void;
  keyClaims(key: string): Promise<Claims | null>;
}

export class Realtime implements Listener, House {
  readonly tokens: Tokens;
  readonly keyClaims: (key: string) => Promise<Claims | null>;
  readonly policies: Policies;
  readonly #sql: Sql;
  readonly #onConnected: () => void;
  readonly #sockets = new Set<ClientSocket>();
  readonly #replication: Replication;
  readonly #delivery: Delivery;
  #reading = false;
  #lastId = 0;
  #pruning: ReturnType<typeof setInterval> | undefined;

  constructor({ databaseUrl, sql, requests, watch, tokens, keyClaims, connected }: Options) {
    this.tokens = tokens;
    this.keyClaims = keyClaims;
    this.policies = new Policies(sql, requests);
    this.#sql = sql;
    this.#onConnected = connected;
    this.#delivery = new Delivery(this.policies, new Commits(watch), () => this.#channels());
    this.#replication = new Replication(databaseUrl, this);
  }

  start(): void {
    void this.#replication.run();
    this.#pruning = setInterval(() => void this.#prune(), PRUNE_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#pruning);
    this.#replication.end();
    for (const socket of this.#sockets) socket.close(1001, "the gateway is stopping");
  }

  get reading(): boolean {
    return this.#reading;
  }

  async accept(request: Request): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const claims = await this.keyClaims(query.get("apikey") ?? request.headers.get("apikey") ?? "");
    if (claims === null) return Response.json({ message: "Invalid API key" }, { status: 401 });
    const version: Version = query.get("vsn") === "2.0.0" ? "2.0.0" : "1.0.0";
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 60 });
    this.#sockets.add(new ClientSocket(socket, version, claims, this));
    return response;
  }

  left(socket: ClientSocket): void {
    this.#sockets.delete(socket);
  }

  nextId(): number {
    return ++this.#lastId;
  }

  mayListen(claims: Claims, topic: string): Promise<boolean> {
    return this.policies.mayListen(claims, topic);
  }

  announce(channel: Channel): void {
    if (this.#reading) void this.#welcome(channel);
  }

  changed(change: Change): void {
    this.#delivery.add(change);
  }

  connected(): void {
    this.#reading = true;
    this.policies.forget();
    this.#onConnected();
    for (const channel of this.#channels()) {
      if (channel.bindings.length > 0) void this.#welcome(channel);
    }
  }

  disconnected(): void {
    this.#reading = false;
    for (const channel of this.#channels()) {
      if (channel.bindings.length > 0) {
        system(channel, "error", "Unable to connect to the project database");
      }
    }
  }

  *#channels(): Generator<Channel> {
    for (const socket of this.#sockets) yield* socket.channels.values();
  }

  /** "Subscribed to PostgreSQL": changes committed from now on arrive. Or why they never will. */
  async #welcome(channel: Channel): Promise<void> {
    const wanted = channel.bindings.flatMap(({ schema, table }) =>
      table ? [{ schema, table }] : []
    );
    const published = await this.#sql`
      select schemaname as schema, tablename as table
        from pg_publication_tables
       where pubname = 'supabase_realtime'`.catch(() => null);
    if (published === null) return;
    const missing = wanted.filter((one) =>
      !published.some(({ schema, table }) => schema === one.schema && table === one.table)
    );
    if (missing.length > 0) {
      const names = missing.map(({ schema, table }) => `${schema}.${table}`).join(", ");
      return system(
        channel,
        "error",
        "Unable to subscribe to changes with given parameters. Please check Realtime is enabled " +
          `for the given connect parameters: [${names}]`,
      );
    }
    system(channel, "ok", "Subscribed to PostgreSQL");
  }

  async #prune(): Promise<void> {
    await this.#sql`
      delete from realtime.messages where inserted_at < now() - ${KEEP_MESSAGES}::interval
    `.catch((error) => console.error("old broadcasts were not pruned:", String(error)));
  }
}

function system(channel: Channel, status: "ok" | "error", message: string): void {
  channel.send("system", {
    extension: "postgres_changes",
    status,
    message,
    channel: subTopic(channel.topic),
  });
}
