// A small agent on the official TypeScript SDK, to be driven by ACP clients: it keeps sessions, asks, and says things
// that no client knows. The first word of a prompt is one of those in WORDS; any other text is said again.
import { Readable, Writable } from "node:stream";
import { acp } from "./ts_sdk.mjs";

const { agent: A, client: C } = acp.methods;

const MODES = ["ask", "plan"].map((id) => ({ id, name: id }));
const FIELDS = { name: { type: "string" }, size: { type: "string", enum: ["s", "l"], default: "s" } };
const text = (content) => ({ content: { type: "text", text: content } });

const sessions = new Map();
let made = 0;

function known(sessionId) {
  const session = sessions.get(sessionId);
  if (!session) throw acp.RequestError.resourceNotFound(sessionId);
  return session;
}

function settings({ mode }) {
  const options = MODES.map(({ id, name }) => ({ value: id, name }));
  const selector = { type: "select", id: "mode", name: "Mode", category: "mode", currentValue: mode, options };
  return { modes: { currentModeId: mode, availableModes: MODES }, configOptions: [selector] };
}

const WORDS = {
  async call(tell) {
    await tell({ sessionUpdate: "tool_call", toolCallId: "c1", title: "Look", kind: "read", status: "in_progress" });
    const content = [{ type: "content", ...text("seen") }, { type: "diff", path: "/a", oldText: "1", newText: "2" }];
    await tell({ sessionUpdate: "tool_call_update", toolCallId: "c1", status: "completed", content });
    await tell({ sessionUpdate: "plan", entries: [{ content: "p", priority: "high", status: "pending" }] });
    await tell({ sessionUpdate: "session_info_update", title: "T", updatedAt: "2026-01-01T00:00:00Z" });
    await tell({ sessionUpdate: "usage_update", used: 5, size: 10 });
  },
  async compact(tell) {
    await tell({ sessionUpdate: "compaction_update", compactionId: "k1", status: "in_progress" });
    await tell({ sessionUpdate: "compaction_summary_chunk", compactionId: "k1", ...text("short") });
    await tell({ sessionUpdate: "compaction_update", compactionId: "k1", status: "completed" });
    await tell({ sessionUpdate: "notice", severity: "info", title: "N" });
  },
  async unknown(tell) {
    await tell({ sessionUpdate: "_made_up", of: "tomorrow" });
  },
  async form(tell, client, sessionId) {
    const requestedSchema = { type: "object", properties: FIELDS, required: ["name"] };
    const form = { mode: "form", sessionId, message: "Who?", requestedSchema };
    return JSON.stringify(await client.request(C.elicitation.create, form));
  },
  async url(tell, client, sessionId) {
    const page = { mode: "url", sessionId, message: "Go", elicitationId: "e1", url: "https://example.com/x" };
    const answer = await client.request(C.elicitation.create, page);
    await client.notify(C.elicitation.complete, { elicitationId: "e1" });
    return JSON.stringify(answer);
  },
  wait(tell, client, sessionId) {
    return new Promise((resolve) => (known(sessionId).cancel = () => resolve(STOPPED)));
  },
  async stream(tell, client, sessionId, [count, size]) {
    for (let i = 0; i < count; i++) await say(tell, sessionId, "x".repeat(size));
  },
  async flood(tell, client, sessionId) {
    let stopped = false;
    known(sessionId).cancel = () => (stopped = true);
    while (!stopped) {
      await say(tell, sessionId, "x".repeat(16));
      await new Promise(setImmediate);
    }
    return STOPPED;
  },
  async write(tell, client, sessionId, [name, ...words]) {
    const toolCall = { toolCallId: "w1", title: `Write ${name}`, kind: "edit", status: "pending" };
    const options = ["allow_once", "reject_once"].map((kind) => ({ kind, name: kind, optionId: kind }));
    const { outcome } = await client.request(C.session.requestPermission, { sessionId, toolCall, options });
    if (outcome.optionId !== "allow_once") return "refused";
    const path = `${known(sessionId).cwd}/${name}`;
    await client.request(C.fs.writeTextFile, { sessionId, path, content: words.join(" ") });
    return "written";
  },
  async read(tell, client, sessionId, [name]) {
    const path = `${known(sessionId).cwd}/${name}`;
    return (await client.request(C.fs.readTextFile, { sessionId, path })).content;
  },
  async run(tell, client, sessionId, words) {
    const { terminalId } = await client.request(C.terminal.create, { sessionId, command: "sh", args: ["-c", words.join(" ")] });
    const { exitCode } = await client.request(C.terminal.waitForExit, { sessionId, terminalId });
    const { output } = await client.request(C.terminal.output, { sessionId, terminalId });
    await client.request(C.terminal.release, { sessionId, terminalId });
    return `${exitCode}: ${output}`;
  },
};

const STOPPED = Symbol("stopped");

function say(tell, sessionId, said) {
  return tell({ sessionUpdate: "agent_message_chunk", messageId: `a${known(sessionId).turns}`, ...text(said) });
}

async function prompt({ sessionId, prompt: [{ text: said }] }, client) {
  const session = known(sessionId);
  const tell = (update) => {
    if (update.sessionUpdate !== "notice") session.told.push(update);
    return client.notify(C.session.update, { sessionId, update });
  };
  const turn = ++session.turns;
  await tell({ sessionUpdate: "user_message_chunk", messageId: `u${turn}`, ...text(said) });
  await tell({ sessionUpdate: "agent_message_chunk", messageId: `b${turn}`, ...text("well") });
  const [word, ...rest] = said.split(" ");
  const answer = await (WORDS[word] ?? (() => said))(tell, client, sessionId, rest);
  if (answer === STOPPED) return { stopReason: "cancelled" };
  if (answer) await say(tell, sessionId, answer);
  return { stopReason: "end_turn" };
}

async function load({ sessionId }, client) {
  const session = known(sessionId);
  for (const update of session.told) await client.notify(C.session.update, { sessionId, update });
  return settings(session);
}

function create({ cwd }) {
  const sessionId = `s${++made}`;
  sessions.set(sessionId, { cwd, mode: "ask", told: [], turns: 0 });
  return { sessionId, ...settings(known(sessionId)) };
}

function list({ cursor, cwd: wanted }) {
  const infos = [...sessions].map(([sessionId, { cwd }]) => ({ sessionId, cwd }));
  const all = infos.filter(({ cwd }) => !wanted || cwd === wanted);
  const end = Number(cursor ?? 0) + 2;
  return { sessions: all.slice(end - 2, end), ...(end < all.length ? { nextCursor: String(end) } : {}) };
}

function setMode(sessionId, mode) {
  known(sessionId).mode = mode;
  return { configOptions: settings(known(sessionId)).configOptions };
}

const agentCapabilities = { loadSession: true, sessionCapabilities: { list: {}, resume: {}, close: {}, delete: {} } };

const connection = acp
  .agent({ name: "interop-typescript" })
  .onRequest(A.initialize, () => ({ protocolVersion: 1, agentInfo: { name: "ts", version: "1" }, agentCapabilities }))
  .onRequest(A.session.new, ({ params }) => create(params))
  .onRequest(A.session.load, ({ params, client }) => load(params, client))
  .onRequest(A.session.resume, ({ params }) => settings(known(params.sessionId)))
  .onRequest(A.session.list, ({ params }) => list(params))
  .onRequest(A.session.close, ({ params }) => (known(params.sessionId).cancel?.(), {}))
  .onRequest(A.session.delete, ({ params }) => (sessions.delete(params.sessionId), {}))
  .onRequest(A.session.setMode, ({ params }) => (setMode(params.sessionId, params.modeId), {}))
  .onRequest(A.session.setConfigOption, ({ params }) => setMode(params.sessionId, params.value))
  .onNotification(A.session.cancel, ({ params }) => known(params.sessionId).cancel?.())
  .onRequest(A.session.prompt, ({ params, client }) => prompt(params, client))
  .connect(acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));
await connection.closed.catch(() => {});
