// Phoenix messages in both of the spellings clients use: objects (vsn 1.0.0) and arrays (2.0.0).

export interface Message {
  topic: string;
  event: string;
  payload: Record<string, unknown>;
  ref: string | null;
  joinRef: string | null;
}

export type Version = "1.0.0" | "2.0.0";

/** The message a client sent; null for anything that is none (the socket stays open). */
export function decode(text: string): Message | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (Array.isArray(found)) {
    const [joinRef, ref, topic, event, payload] = found;
    return message(topic, event, payload, ref, joinRef);
  }
  if (found === null || typeof found !== "object") return null;
  const { topic, event, payload, ref, join_ref } = found as Record<string, unknown>;
  return message(topic, event, payload, ref, join_ref);
}

function message(
  topic: unknown,
  event: unknown,
  payload: unknown,
  ref: unknown,
  joinRef: unknown,
): Message | null {
  if (typeof topic !== "string" || typeof event !== "string") return null;
  const fields = payload !== null && typeof payload === "object" && !Array.isArray(payload);
  return {
    topic,
    event,
    payload: fields ? payload as Record<string, unknown> : {},
    ref: ref == null ? null : String(ref),
    joinRef: joinRef == null ? null : String(joinRef),
  };
}

export function encode(sent: Message, version: Version): string {
  const { topic, event, payload, ref, joinRef } = sent;
  return version === "2.0.0"
    ? JSON.stringify([joinRef, ref, topic, event, payload])
    : JSON.stringify({ topic, event, payload, ref, join_ref: joinRef });
}
