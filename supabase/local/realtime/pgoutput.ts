// The write-ahead log as Postgres's own `pgoutput` plugin tells it (protocol version 1), byte by byte.
// https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html

export interface Column {
  name: string;
  /** Object id of its type in pg_type. */
  type: number;
  /** Whether the log tells it of a row before a change: the primary key's columns, or all. */
  isKey: boolean;
}

export interface Relation {
  schema: string;
  table: string;
  columns: Column[];
  /** `replica identity full`: the log tells the whole row before a change. */
  tellsAll: boolean;
}

/** Column texts by name. A value too big to be logged again by an update is not there at all. */
export type Row = Record<string, string | null>;

export interface Change {
  command: "INSERT" | "UPDATE" | "DELETE";
  relation: Relation;
  /** The row as it is now; null after a delete. */
  row: Row | null;
  /** What the log says of the row before: its key, or all of it under `replica identity full`. */
  old: Row | null;
  /** The transaction it was made in. */
  xid: number;
  committedAt: Date;
}

const INSERT = 0x49, UPDATE = 0x55, DELETE = 0x44, RELATION = 0x52, BEGIN = 0x42;
const IDENTITY_FULL = 0x66;
const NEW_TUPLE = 0x4e, KEY_TUPLE = 0x4b, NULL_VALUE = 0x6e, TEXT_VALUE = 0x74;
const POSTGRES_EPOCH = Date.UTC(2000, 0, 1);

/** Reads one message after another; remembers the relations it was told about. */
export class PgOutputReader {
  readonly #relations = new Map<number, Relation>();
  #xid = 0;
  #committedAt = new Date(0);

  /** The change a message carries; null for those that carry none. */
  read(message: Uint8Array): Change | null {
    const bytes = new Bytes(message);
    switch (bytes.byte()) {
      case RELATION:
        this.#remember(bytes);
        return null;
      case BEGIN:
        bytes.skip(8);
        this.#committedAt = new Date(POSTGRES_EPOCH + Number(bytes.int64() / 1000n));
        this.#xid = bytes.int32();
        return null;
      case INSERT: {
        const relation = this.#relation(bytes);
        bytes.skip(1);
        return this.#change("INSERT", relation, tuple(bytes, relation), null);
      }
      case UPDATE: {
        const relation = this.#relation(bytes);
        const old = bytes.peek() === NEW_TUPLE ? null : oldTuple(bytes, relation);
        bytes.skip(1);
        return this.#change("UPDATE", relation, tuple(bytes, relation), old);
      }
      case DELETE: {
        const relation = this.#relation(bytes);
        return this.#change("DELETE", relation, null, oldTuple(bytes, relation));
      }
      default:
        return null;
    }
  }

  #change(
    command: Change["command"],
    relation: Relation,
    row: Row | null,
    old: Row | null,
  ): Change {
    return { command, relation, row, old, xid: this.#xid, committedAt: this.#committedAt };
  }

  #remember(bytes: Bytes): void {
    const id = bytes.int32();
    const schema = bytes.name() || "pg_catalog";
    const table = bytes.name();
    const tellsAll = bytes.byte() === IDENTITY_FULL;
    const columns = Array.from({ length: bytes.int16() }, () => {
      const isKey = bytes.byte() === 1;
      const name = bytes.name();
      const type = bytes.int32();
      bytes.skip(4);
      return { name, type, isKey };
    });
    this.#relations.set(id, { schema, table, columns, tellsAll });
  }

  #relation(bytes: Bytes): Relation {
    const id = bytes.int32();
    const found = this.#relations.get(id);
    if (!found) throw new Error(`the log names relation ${id} before describing it`);
    return found;
  }
}

/** The row before: all of it, or its key with every other column a null that means nothing. */
function oldTuple(bytes: Bytes, relation: Relation): Row {
  const keyOnly = bytes.byte() === KEY_TUPLE;
  const row = tuple(bytes, relation);
  if (!keyOnly) return row;
  return Object.fromEntries(
    relation.columns.filter(({ isKey }) => isKey).map(({ name }) => [name, row[name]]),
  );
}

function tuple(bytes: Bytes, relation: Relation): Row {
  const row: Row = {};
  const count = bytes.int16();
  for (let index = 0; index < count; index++) {
    const kind = bytes.byte();
    const name = relation.columns[index].name;
    if (kind === NULL_VALUE) row[name] = null;
    else if (kind === TEXT_VALUE) row[name] = bytes.text(bytes.int32());
  }
  return row;
}

class Bytes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    return this.#bytes[this.#at++];
  }

  peek(): number {
    return this.#bytes[this.#at];
  }

  int16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#view.getBigInt64(this.#at - 8);
  }

  skip(count: number): void {
    this.#at += count;
  }

  name(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = decoder.decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  text(length: number): string {
    this.#at += length;
    return decoder.decode(this.#bytes.subarray(this.#at - length, this.#at));
  }
}

const decoder = new TextDecoder();
