// The stream of committed changes. It comes back by itself after a restart of Postgres; what was
// committed in between is lost, as in the real service, whose slots are temporary too.

import { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";
import postgres from "postgres";
import { type Change, PgOutputReader } from "./pgoutput.ts";

const PUBLICATIONS = "supabase_realtime,supabase_realtime_messages_publication";
const WAL_DATA = 0x77, KEEPALIVE = 0x6b, STATUS = 0x72;
const STATUS_EVERY_MS = 10_000;
const LONGEST_PAUSE_MS = 2_000;
const POSTGRES_EPOCH = BigInt(Date.UTC(2000, 0, 1)) * 1000n;

export interface Listener {
  changed(change: Change): void;
  /** The log is being read from here on. */
  connected(): void;
  disconnected(): void;
}

export class Replication {
  readonly #url: string;
  readonly #listener: Listener;
  #ended = false;
  #stream: Duplex | null = null;
  #wake: () => void = () => {};

  constructor(url: string, listener: Listener) {
    this.#url = url;
    this.#listener = listener;
  }

  /** Reads the log until `end`, connecting again for ever. */
  async run(): Promise<void> {
    let pause = 50;
    while (!this.#ended) {
      const sql = postgres(this.#url, {
        max: 1,
        fetch_types: false,
        idle_timeout: 0,
        max_lifetime: null,
        connect_timeout: 5,
        onnotice: () => {},
        connection: { replication: "database" } as Record<string, string>,
      });
      try {
        await this.#follow(sql, () => pause = 50);
      } catch (error) {
        if (!this.#ended) console.error("the write-ahead log broke off:", String(error));
      } finally {
        await sql.end({ timeout: 0 }).catch(() => {});
      }
      if (!this.#ended) await this.#rest(pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  end(): void {
    this.#ended = true;
    this.#stream?.destroy();
    this.#wake();
  }

  async #follow(sql: postgres.Sql, started: () => void): Promise<void> {
    const slot = `kizu_realtime_${crypto.randomUUID().replaceAll("-", "")}`;
    // This grammar of Postgres, unlike SQL, knows its words in capitals only.
    const [{ consistent_point }] = await sql.unsafe(
      `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    );
    const stream: Duplex = await sql.unsafe(
      `START_REPLICATION SLOT ${slot} LOGICAL ${consistent_point} ` +
        `(proto_version '1', publication_names '${PUBLICATIONS}')`,
    ).writable() as unknown as Duplex;
    this.#stream = stream;
    const reader = new PgOutputReader();
    let position = 0n;
    const report = () => stream.write(status(position));
    const timer = setInterval(report, STATUS_EVERY_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        stream.on("error", reject);
        stream.on("close", resolve);
        stream.on("data", (data: Buffer) => {
          if (data[0] === WAL_DATA) {
            position = max(position, data.readBigUInt64BE(1));
            const change = reader.read(data.subarray(25));
            if (change) this.#listener.changed(change);
          } else if (data[0] === KEEPALIVE) {
            position = max(position, data.readBigUInt64BE(1));
            if (data[17]) report();
          }
        });
        started();
        this.#listener.connected();
      });
    } finally {
      clearInterval(timer);
      this.#stream = null;
      this.#listener.disconnected();
    }
  }

  #rest(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Tells Postgres how far we have read, so that it may forget the log before that. */
function status(position: bigint): Buffer {
  const message = Buffer.alloc(34);
  message[0] = STATUS;
  for (const offset of [1, 9, 17]) message.writeBigUInt64BE(position, offset);
  message.writeBigInt64BE(BigInt(Date.now()) * 1000n - POSTGRES_EPOCH, 25);
  return message;
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
