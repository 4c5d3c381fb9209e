import { deepStrictEqual as equal } from "node:assert";
import { decode, encode, type Message } from "./protocol.ts";

const JOIN: Message = {
  topic: "realtime:x",
  event: "phx_join",
  payload: { config: {} },
  ref: "2",
  joinRef: "1",
};

Deno.test("both spellings are read and written", () => {
  equal(decode(encode(JOIN, "1.0.0")), JOIN);
  equal(decode(encode(JOIN, "2.0.0")), JOIN);
  equal(JSON.parse(encode(JOIN, "2.0.0")), ["1", "2", "realtime:x", "phx_join", { config: {} }]);
});

Deno.test("what is no message is none", () => {
  for (
    const text of [
      "",
      "nonsense",
      "null",
      "1",
      "[]",
      "{}",
      '{"topic":1,"event":"x"}',
      "[null,null,1]",
    ]
  ) {
    equal(decode(text), null);
  }
});

Deno.test("a payload that holds no fields is an empty one", () => {
  equal(decode('["1","2","t","e",[1]]')?.payload, {});
});
