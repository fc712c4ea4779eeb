// Drives an ACP agent behind a bridge to WebSocket, stdio-to-ws, with the official TypeScript SDK at the socket.
//
//     node ts_bridge.mjs '["command", "of", "the", "agent"]' WORKSPACE
//
// As ts_client.mjs. The bridge starts the agent when the socket opens and kills it when the socket closes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { drive, expect, gone } from "./ts_run.mjs";
import { load, locate } from "./ts_sdk.mjs";
import { STEPS as SESSION_STEPS } from "./ts_session_steps.mjs";
import { STEPS as EVERYDAY_STEPS } from "./ts_steps.mjs";

const { default: WebSocket } = await load("ws");

/** Lets somebody wait for a line of the bridge that has come or is to come. */
class Lines {
  #seen = [];
  #waiting = new Set();

  constructor(input) {
    createInterface({ input }).on("line", (line) => {
      if (!line.startsWith("[stdio-to-ws]")) return; // it shows every message, too
      this.#seen.push(line);
      for (const waiter of this.#waiting) waiter();
    });
  }

  until(words) {
    return new Promise((resolve) => {
      const waiter = () => this.#seen.some((line) => line.includes(words)) && resolve(this.#waiting.delete(waiter));
      this.#waiting.add(waiter);
      waiter();
    });
  }
}

async function freePort() {
  const server = createServer().listen(0);
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function messages(socket) {
  const readable = new ReadableStream({
    start(controller) {
      socket.on("message", (data) => controller.enqueue(JSON.parse(data)));
      socket.on("close", () => controller.close());
    },
  });
  const write = (message) => new Promise((resolve) => socket.send(JSON.stringify(message), resolve));
  return { readable, writable: new WritableStream({ write }) };
}

async function overBridge(command, workspace) {
  const port = await freePort();
  const program = locate("stdio-to-ws/dist/main.js");
  const line = command.map((part) => `"${part}"`).join(" ");
  const bridge = spawn(process.execPath, [program, "-p", port, line], { cwd: workspace, stdio: ["ignore", "pipe", "inherit"] });
  const lines = new Lines(bridge.stdout);
  await lines.until("listening on port");
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, "open");
  const hangUp = async () => {
    socket.close();
    await lines.until("Child process exited");
  };
  const end = () => (bridge.kill(), gone(bridge));
  return { process: bridge, stream: messages(socket), hangUp, end };
}

async function end_of_socket(run) {
  const startedAt = performance.now();
  await run.way.hangUp();
  const tookMs = performance.now() - startedAt;
  expect(tookMs < 2_000, `the agent exited ${tookMs.toFixed(0)} ms after the end of the socket`);
  return `exited after ${tookMs.toFixed(0)} ms`;
}

// What the client offers decides what is told of a session; the user of the first steps allows everything.
const { initialize, load_reads_as_lived, list, close_and_delete } = SESSION_STEPS;
const { initialize: _, end_of_input, no_complaints, ...everyday } = EVERYDAY_STEPS;
const steps = { initialize, load_reads_as_lived, list, close_and_delete, ...everyday, end_of_socket, no_complaints };

await drive(steps, process.argv.slice(2), overBridge);
