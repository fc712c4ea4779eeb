// What is measured of the official TypeScript SDK's client: it takes two turns, and counts the updates of the second.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { acp } from "./tssdk.mjs";

const { agent: A, client: C } = acp.methods;
const [warm, measured, program, ...programArguments] = process.argv.slice(2);

let expected = 0;
let updates = 0;
let characters = 0;
let complete;

function count({ params: { update } }) {
  updates += 1;
  characters += update.content.text.length;
  if (updates === expected) complete();
}

const child = spawn(program, programArguments, { stdio: ["pipe", "pipe", "inherit"] });
const pipes = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
const connection = acp.client({ name: "bench" }).onNotification(C.session.update, count).connect(pipes);
connection.closed.catch(() => {});
const { agent } = connection;

await agent.request(A.initialize, { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: {} });
const { sessionId } = await agent.request(A.session.new, { cwd: process.cwd(), mcpServers: [] });
let seconds;
for (const text of [warm, measured]) {
  [updates, characters, expected] = [0, 0, Number(text.split(" ").at(-2))];
  const all = new Promise((resolve) => (complete = resolve));
  const begun = performance.now();
  await agent.request(A.session.prompt, { sessionId, prompt: [{ type: "text", text }] });
  await all;
  seconds = (performance.now() - begun) / 1000;
}
child.stdin.end();
await once(child, "exit");
process.stdout.write(JSON.stringify({ updates, characters, seconds }) + "\n", () => process.exit(0));
