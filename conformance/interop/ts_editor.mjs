// The editor that the TypeScript client plays, and a tap on the wire.
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { acp } from "./ts_sdk.mjs";

const { agent: A, client: C } = acp.methods;

// None of these may reach the client while nothing of the session is open that tells them.
const SPEAKING = new Set([A.session.prompt, A.session.load]);
const TURN_UPDATES = new Set([
  "agent_message_chunk",
  "agent_thought_chunk",
  "plan",
  "tool_call",
  "tool_call_update",
  "usage_update",
  "user_message_chunk",
]);

/** The user's side: unsaved buffers, a user who decides, and what the SDK has delivered. */
export class Editor {
  unsaved = new Map();
  // The kind of the option that the user takes, or "cancelled": the user stops the turn instead of choosing.
  choice = "allow_once";
  watched = [];
  permissions = [];
  reads = [];
  writes = [];
  updates = new Map();
  // What the user fills into a form, and the questions and completed pages as they came.
  content = {};
  questions = [];
  completed = [];
  #terminals = new Map();
  #waiting = new Set();

  app() {
    return acp
      .client({ name: "interop-typescript" })
      .onRequest(C.session.requestPermission, ({ params, agent }) => this.#decide(params, agent))
      .onRequest(C.fs.readTextFile, ({ params }) => this.#read(params))
      .onRequest(C.fs.writeTextFile, ({ params }) => this.#write(params))
      .onRequest(C.elicitation.create, ({ params }) => this.#answer(params))
      .onNotification(C.elicitation.complete, ({ params }) => this.completed.push(params.elicitationId))
      .onRequest(C.terminal.create, ({ params }) => this.#run(params))
      .onRequest(C.terminal.output, ({ params }) => this.#output(params))
      .onRequest(C.terminal.waitForExit, ({ params }) => this.#exit(params))
      .onRequest(C.terminal.kill, ({ params }) => this.#kill(params))
      .onRequest(C.terminal.release, ({ params }) => this.#release(params))
      .onNotification(C.session.update, ({ params }) => this.#record(params));
  }

  async #decide({ sessionId, options }, agent) {
    this.permissions.push({
      kinds: options.map((option) => option.kind),
      existing: this.watched.filter((file) => fs.existsSync(file)),
    });
    if (this.choice === "cancelled") {
      await agent.notify(A.session.cancel, { sessionId });
      return { outcome: { outcome: "cancelled" } };
    }
    const chosen = options.find((option) => option.kind === this.choice);
    if (!chosen) throw acp.RequestError.invalidParams({ details: `no option of the kind ${this.choice}` });
    return { outcome: { outcome: "selected", optionId: chosen.optionId } };
  }

  #read({ path: file, line, limit }) {
    this.reads.push(file);
    if (!this.unsaved.has(file) && !fs.existsSync(file)) throw acp.RequestError.resourceNotFound(file);
    const text = this.unsaved.get(file) ?? fs.readFileSync(file, "utf8");
    if (line == null && limit == null) return { content: text };
    const first = Math.max((line ?? 1) - 1, 0);
    const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    return { content: lines.slice(first, limit == null ? undefined : first + limit).join("") };
  }

  #write({ path: file, content }) {
    this.writes.push(file);
    this.unsaved.delete(file);
    fs.writeFileSync(file, content);
    return {};
  }

  #answer(question) {
    this.questions.push(question);
    return question.mode === "form" ? { action: "accept", content: this.content } : { action: "accept" };
  }

  #run({ command, args = [], cwd }) {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const terminal = { child, output: "", closed: once(child, "close") };
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.setEncoding("utf8").on("data", (text) => (terminal.output += text));
    }
    const terminalId = `terminal-${this.#terminals.size + 1}`;
    this.#terminals.set(terminalId, terminal);
    return { terminalId };
  }

  #output({ terminalId }) {
    const { child, output } = this.#terminals.get(terminalId);
    const { exitCode, signalCode: signal } = child;
    const ended = exitCode !== null || signal !== null;
    return { output, truncated: false, exitStatus: ended ? { exitCode, signal } : null };
  }

  async #exit({ terminalId }) {
    const [exitCode, signal] = await this.#terminals.get(terminalId).closed;
    return { exitCode, signal };
  }

  #kill({ terminalId }) {
    this.#terminals.get(terminalId).child.kill();
    return {};
  }

  #release({ terminalId }) {
    this.#terminals.get(terminalId).child.kill();
    this.#terminals.set(terminalId, undefined);
    return {};
  }

  terminals() {
    return { made: this.#terminals.size, open: [...this.#terminals.values()].filter(Boolean).length };
  }

  #record({ sessionId, update }) {
    if (!this.updates.has(sessionId)) this.updates.set(sessionId, []);
    this.updates.get(sessionId).push(update);
    for (const waiter of this.#waiting) waiter();
  }

  of(sessionId) {
    return this.updates.get(sessionId) ?? [];
  }

  texts(sessionId) {
    return this.of(sessionId)
      .filter((update) => update.sessionUpdate === "agent_message_chunk")
      .map((update) => update.content.text);
  }

  /** Resolves when so many chunks of the agent's message have been delivered for the session. */
  chunks(sessionId, count) {
    return new Promise((resolve) => {
      const waiter = () => {
        if (this.texts(sessionId).length < count) return;
        this.#waiting.delete(waiter);
        resolve();
      };
      this.#waiting.add(waiter);
      waiter();
    });
  }
}

/** Watches the messages of both directions in the order of the wire. */
export class Wire {
  outOfTurn = [];
  answered = [];
  // Every message: whether it is the agent's, and what stood on the wire.
  messages = [];
  #requests = new Map();
  #open = new Map();

  tap({ readable, writable }) {
    const incoming = new TransformStream({
      transform: (message, controller) => {
        this.#incoming(message);
        controller.enqueue(message);
      },
    });
    const outgoing = new TransformStream({
      transform: (message, controller) => {
        this.#outgoing(message);
        controller.enqueue(message);
      },
    });
    outgoing.readable.pipeTo(writable).catch(() => {});
    return { readable: readable.pipeThrough(incoming), writable: outgoing.writable };
  }

  #outgoing(message) {
    this.messages.push({ ofAgent: false, message });
    if (message.method === undefined || message.id === undefined) return;
    this.#requests.set(message.id, message);
    if (SPEAKING.has(message.method)) this.#count(message.params.sessionId, 1);
  }

  #incoming(message) {
    this.messages.push({ ofAgent: true, message });
    if (message.method === C.session.update) {
      const { sessionId, update } = message.params;
      if (TURN_UPDATES.has(update.sessionUpdate) && !this.#open.get(sessionId)) {
        this.outOfTurn.push({ kind: update.sessionUpdate, sessionId });
      }
    } else if (message.method === undefined && this.#requests.has(message.id)) {
      const { method, params } = this.#requests.get(message.id);
      this.answered.push(method);
      if (SPEAKING.has(method)) this.#count(params.sessionId, -1);
    }
  }

  #count(sessionId, by) {
    this.#open.set(sessionId, (this.#open.get(sessionId) ?? 0) + by);
  }
}
