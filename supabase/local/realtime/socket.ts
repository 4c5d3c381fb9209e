// One client's WebSocket: joins, leaves, heartbeats, fresh tokens, and the end of old ones.

import type { Claims, Tokens } from "../tokens.ts";
import { bindingsOf, type Channel, subTopic } from "./channel.ts";
import { FilterError } from "./filters.ts";
import { decode, encode, type Message, type Version } from "./protocol.ts";

const LONGEST_TIMER_MS = 2 ** 31 - 1;
const SLOW_CLIENT_BYTES = 32 * 1024 * 1024;

/** What a socket needs to know of the rest. */
export interface House {
  tokens: Tokens;
  /** The claims an opaque or legacy key stands for; null for one that is not ours. */
  keyClaims(key: string): Promise<Claims | null>;
  mayListen(claims: Claims, topic: string): Promise<boolean>;
  /** Tells the channel that changes flow, now or as soon as they do; or that they never will. */
  announce(channel: Channel): void;
  nextId(): number;
  left(socket: ClientSocket): void;
}

interface Joined extends Channel {
  expiry: ReturnType<typeof setTimeout> | undefined;
}

export class ClientSocket {
  readonly channels = new Map<string, Joined>();
  readonly #socket: WebSocket;
  readonly #version: Version;
  readonly #keyClaims: Claims;
  readonly #house: House;
  #work: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket, version: Version, keyClaims: Claims, house: House) {
    this.#socket = socket;
    this.#version = version;
    this.#keyClaims = keyClaims;
    this.#house = house;
    socket.onmessage = ({ data }) => {
      const message = typeof data === "string" ? decode(data) : null;
      // One after another: a leave must not overtake its join.
      if (message) this.#work = this.#work.then(() => this.#handle(message)).catch(console.error);
    };
    socket.onerror = () => {};
    socket.onclose = () => {
      for (const channel of this.channels.values()) clearTimeout(channel.expiry);
      this.channels.clear();
      house.left(this);
    };
  }

  close(code: number, reason: string): void {
    try {
      this.#socket.close(code, reason);
    } catch {
      // It was closed already.
    }
  }

  async #handle(message: Message): Promise<void> {
    switch (message.event) {
      case "heartbeat":
        return this.#reply(message, "ok", {});
      case "phx_join":
        return await this.#join(message);
      case "phx_leave":
        this.#forget(message.topic);
        this.#reply(message, "ok", {});
        return this.#send({ ...message, event: "phx_close", payload: {} });
      case "access_token":
        return await this.#refresh(message);
      case "broadcast":
      case "presence":
        return this.#reply(message, "ok", {});
    }
  }

  async #join(message: Message): Promise<void> {
    this.#forget(message.topic);
    const refuse = (reason: string) => this.#reply(message, "error", { reason });
    const config = (message.payload.config ?? {}) as Record<string, unknown>;
    const claims = await this.#claimsOf(message.payload.access_token ?? message.payload.user_token);
    if (claims === null) {
      return refuse("InvalidJWTToken: the token is malformed, forged or expired");
    }
    if (config.private === true && !await this.#house.mayListen(claims, subTopic(message.topic))) {
      return refuse(
        `Unauthorized: You do not have permissions to read from this Channel topic: ${
          subTopic(message.topic)
        }`,
      );
    }
    try {
      const bindings = bindingsOf(config, () => this.#house.nextId());
      const joinRef = message.joinRef ?? message.ref;
      const channel: Joined = {
        topic: message.topic,
        joinRef,
        claims,
        private: config.private === true,
        bindings,
        expiry: undefined,
        send: (event, payload) =>
          this.#send({ topic: message.topic, event, payload, ref: null, joinRef }),
      };
      this.channels.set(message.topic, channel);
      this.#watchExpiry(channel);
      const changes = bindings.map(({ conditions: _, ...binding }) => binding);
      this.#reply({ ...message, joinRef }, "ok", { postgres_changes: changes });
      channel.send("presence_state", {});
      if (bindings.length > 0) this.#house.announce(channel);
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      refuse(error.message);
    }
  }

  /** A fresh token continues the channel under new claims; a bad one ends it. Opaque keys say nothing new. */
  async #refresh(message: Message): Promise<void> {
    const channel = this.channels.get(message.topic);
    const token = message.payload.access_token;
    if (!channel || typeof token !== "string" || token.startsWith("sb_")) return;
    const claims = await this.#claimsOf(token);
    if (claims === null) {
      return this.#expel(channel, "InvalidJWTToken: the token is malformed, forged or expired");
    }
    if (channel.private && !await this.#house.mayListen(claims, subTopic(channel.topic))) {
      return this.#expel(
        channel,
        "Unauthorized: the new token may not read from this Channel topic",
      );
    }
    channel.claims = claims;
    this.#watchExpiry(channel);
  }

  async #claimsOf(token: unknown): Promise<Claims | null> {
    if (typeof token !== "string" || token === "") return this.#keyClaims;
    if (token.split(".").length !== 3) return await this.#house.keyClaims(token);
    return await this.#house.tokens.verified(token);
  }

  #watchExpiry(channel: Joined): void {
    clearTimeout(channel.expiry);
    channel.expiry = undefined;
    if (channel.claims.exp === undefined) return;
    const left = channel.claims.exp * 1000 - Date.now();
    channel.expiry = setTimeout(() => {
      if (left > LONGEST_TIMER_MS) this.#watchExpiry(channel);
      else this.#expel(channel, "Token has expired 0 seconds ago");
    }, Math.min(Math.max(left, 0), LONGEST_TIMER_MS));
  }

  #expel(channel: Joined, reason: string): void {
    channel.send("system", {
      extension: "system",
      status: "error",
      message: reason,
      channel: subTopic(channel.topic),
    });
    channel.send("phx_close", {});
    this.#forget(channel.topic);
  }

  #forget(topic: string): void {
    clearTimeout(this.channels.get(topic)?.expiry);
    this.channels.delete(topic);
  }

  #reply(to: Message, status: "ok" | "error", response: Record<string, unknown>): void {
    this.#send({ ...to, event: "phx_reply", payload: { status, response } });
  }

  #send(message: Message): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    // Whoever cannot keep up starts afresh; holding their past for them would take the memory of all.
    if (this.#socket.bufferedAmount > SLOW_CLIENT_BYTES) return this.close(1013, "too slow");
    this.#socket.send(encode(message, this.#version));
  }
}
