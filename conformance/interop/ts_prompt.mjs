// Sends one prompt with the official TypeScript SDK: what `python -m conformance --client` judges.
//
//     node ts_prompt.mjs "the command of the agent" TEXT
//
// The words of the command are parted by spaces. The exit status is 0 if the turn ended, 1 if anything failed.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { Editor } from "./ts_editor.mjs";
import { acp } from "./ts_sdk.mjs";

const { agent: A } = acp.methods;

async function converse(agent, text) {
  const { protocolVersion } = await agent.request(A.initialize, {
    protocolVersion: acp.PROTOCOL_VERSION,
    clientCapabilities: {
      fs: { readTextFile: true, writeTextFile: true },
      terminal: true,
      elicitation: { form: {}, url: {} },
    },
    clientInfo: { name: "interop-typescript", version: "1" },
  });
  if (protocolVersion !== acp.PROTOCOL_VERSION) throw new Error(`the agent speaks version ${protocolVersion}`);
  const { sessionId } = await agent.request(A.session.new, { cwd: process.cwd(), mcpServers: [] });
  await agent.request(A.session.prompt, { sessionId, prompt: [{ type: "text", text }] });
}

const [command, ...args] = process.argv[2].split(" ");
const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
process.on("exit", () => child.kill("SIGKILL"));
child.stdin.on("error", () => {});
const pipes = acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout));
const connection = new Editor().app().connect(pipes);
const lost = connection.closed.then(
  () => Promise.reject(new Error("the agent went away")),
  () => Promise.reject(new Error("the connection broke")),
);
let status = 0;
try {
  await Promise.race([converse(connection.agent, process.argv[3]), lost]);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  status = 1;
}
child.stdin.end();
if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
process.exit(status);
