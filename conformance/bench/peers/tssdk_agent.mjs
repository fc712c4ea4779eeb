// What is measured of the official TypeScript SDK: an agent as its documentation has one write it.
import { randomUUID } from "node:crypto";
import { Readable, Writable } from "node:stream";
import { setImmediate as eventLoop } from "node:timers/promises";
import { acp } from "./tssdk.mjs";

const { agent: A, client: C } = acp.methods;
const running = new Map();
const options = [
  { optionId: "yes", name: "Yes", kind: "allow_once" },
  { optionId: "no", name: "No", kind: "reject_once" },
];

async function stream(client, sessionId, signal, count, size, every = 0) {
  const text = "x".repeat(size);
  for (let number = 0; number < count && !signal.aborted; number++) {
    const update = { sessionUpdate: "agent_message_chunk", content: { type: "text", text } };
    await client.notify(C.session.update, { sessionId, update });
    if (every && number % every === 0) await eventLoop();
  }
}

async function prompt({ params: { sessionId, prompt: blocks }, client }) {
  const abort = new AbortController();
  running.set(sessionId, abort);
  const [command, ...words] = blocks[0].text.slice(0, 64).replace("/test ", "").trim().split(/\s+/);
  const numbers = words.map(Number);
  if (command === "stream") {
    await stream(client, sessionId, abort.signal, ...numbers);
  } else if (command === "fs") {
    for (let i = 0; i < numbers[0]; i++) await client.request(C.fs.readTextFile, { sessionId, path: "/a.txt" });
  } else if (command === "perm") {
    for (let i = 0; i < numbers[0]; i++) {
      const toolCall = { toolCallId: `c${i}`, title: "Edit a file", kind: "edit", status: "pending" };
      await client.request(C.session.requestPermission, { sessionId, toolCall, options });
    }
  }
  return { stopReason: abort.signal.aborted ? "cancelled" : "end_turn" };
}

acp
  .agent({ name: "bench" })
  .onRequest(A.initialize, () => ({ protocolVersion: acp.PROTOCOL_VERSION, agentCapabilities: {} }))
  .onRequest(A.session.new, () => ({ sessionId: randomUUID() }))
  .onRequest(A.session.prompt, prompt)
  .onNotification(A.session.cancel, ({ params }) => running.get(params.sessionId)?.abort())
  .connect(acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
