// How an editor comes back to sessions: steps on the official TypeScript SDK.
import * as fs from "node:fs";

import { expect } from "./ts_run.mjs";
import { acp, complaints } from "./ts_sdk.mjs";

const { agent: A } = acp.methods;

const UNSTABLE = process.argv.includes("--unstable");

const LIVED = [
  "/test thought",
  "/test plan",
  "/write a.txt one\ntwo",
  '/edit a.txt "one" "three"',
  "/read a.txt",
  "/run echo from-a-command",
  "/test terminal echo from-a-terminal",
  "/test image",
  "/test compact completed",
  "/test compact failed",
  "/test compact cancelled",
  "/test stream 40 400 5",
];

async function initialize(run) {
  const answer = await run.request(A.initialize, {
    protocolVersion: acp.PROTOCOL_VERSION,
    clientCapabilities: {
      fs: { readTextFile: true, writeTextFile: true },
      terminal: true,
      elicitation: { form: {}, url: {} },
      session: { notices: {}, compaction: {}, configOptions: { boolean: {} } },
      ...(UNSTABLE ? { plan: {}, subagents: {} } : {}),
    },
    clientInfo: { name: "interop-typescript", version: "1" },
  });
  const { loadSession, sessionCapabilities } = answer.agentCapabilities;
  expect(loadSession, "loadSession is not advertised");
  const wanted = ["list", "resume", "close", "delete", ...(UNSTABLE ? ["fork", "archive", "status", "title"] : [])];
  const missing = wanted.filter((name) => !sessionCapabilities[name]);
  expect(missing.length === 0, `not advertised: ${missing}`);
  return Object.keys(sessionCapabilities).join();
}

/** What a user sees of a session: messages, calls and compactions in their order, and its state. */
function fold(updates) {
  const seen = { entries: new Map(), state: {} };
  const entry = (key, empty) => seen.entries.get(key) ?? seen.entries.set(key, empty).get(key);
  for (const { sessionUpdate: kind, _meta, ...update } of updates) {
    if (kind.endsWith("_message_chunk") || kind === "agent_thought_chunk") {
      const said = entry(`${kind} ${update.messageId}`, []);
      const last = said.at(-1);
      if (last?.type === "text" && update.content.type === "text") last.text += update.content.text;
      else said.push({ ...update.content });
    } else if (kind.startsWith("tool_call")) {
      Object.assign(entry(`call ${update.toolCallId}`, {}), update);
    } else if (kind === "compaction_summary_chunk") {
      entry(`compaction ${update.compactionId}`, { summary: "" }).summary += update.content.text;
    } else if (kind === "compaction_update") {
      const { summary, ...rest } = update;
      const known = Object.assign(entry(`compaction ${update.compactionId}`, { summary: "" }), rest);
      if (summary !== undefined) known.summary = (summary ?? []).map((block) => block.text).join("");
    } else if (kind === "session_info_update") {
      seen.state[kind] = { ...seen.state[kind], ...update }; // what it does not say has not changed
    } else if (kind !== "notice") {
      seen.state[kind] = update;
    }
  }
  return seen;
}

const told = (entries) => [...entries].filter(([key]) => !key.startsWith("user_message_chunk"));

const inOrder = (_key, value) =>
  value?.constructor === Object ? Object.fromEntries(Object.entries(value).toSorted()) : value;

function expectSame(what, mine, theirs) {
  const [a, b] = [mine, theirs].map((value) => JSON.stringify(value, inOrder, 1));
  if (a === b) return;
  const at = [...a].findIndex((character, index) => character !== b[index]);
  const around = (text) => text.slice(Math.max(at - 150, 0), at + 150);
  expect(false, `${what} differs:\nlived ${around(a)}\ntold ${around(b)}`);
}

/** Loads the session and returns the updates that came before the answer. */
async function load(run, sessionId) {
  const before = run.editor.of(sessionId).length;
  const answer = await run.request(A.session.load, { sessionId, cwd: run.workspace, mcpServers: [] });
  expect(answer.modes?.currentModeId, `the answer is ${JSON.stringify(answer)}`);
  return run.editor.of(sessionId).slice(before);
}

async function live(run) {
  const sessionId = await run.session();
  for (const text of LIVED) {
    const reason = await run.ask(sessionId, text);
    expect(reason === "end_turn", `${text}: stopReason is ${reason}`);
  }
  return sessionId;
}

async function load_reads_as_lived(run) {
  const sessionId = await live(run);
  const lived = fold(run.editor.of(sessionId));
  const first = await load(run, sessionId);
  const loaded = fold(first);
  const prompts = [...loaded.entries].filter(([key]) => key.startsWith("user_message_chunk"));
  expectSame("what the user said", LIVED, prompts.map(([, [{ text }]]) => text));
  // The client's own terminals have gone by then: what they showed is told as text.
  const [call, shown] = [...lived.entries].find(([, { content }]) => content?.[0]?.type === "terminal");
  const text = loaded.entries.get(call)?.content;
  expect(JSON.stringify(text)?.includes("from-a-terminal"), `the terminal's output is told as ${JSON.stringify(text)}`);
  shown.content = text;
  expectSame("what the agent did", told(lived.entries), told(loaded.entries));
  for (const kind of ["plan", "plan_update", "available_commands_update", "usage_update"]) {
    expectSame(kind, lived.state[kind], loaded.state[kind]);
  }
  const titles = [lived, loaded].map(({ state }) => state.session_info_update.title);
  expectSame("the title", ...titles);
  const again = fold(await load(run, sessionId));
  expectSame("what was told again", [...loaded.entries], [...again.entries]);
  await run.request(A.session.close, { sessionId });
  const revived = fold(await load(run, sessionId));
  expectSame("what was told after a close", [...loaded.entries], [...revived.entries]);
  return `${loaded.entries.size} entries in ${first.length} updates, four times the same`;
}

async function load_while_a_prompt_runs(run) {
  const sessionId = await run.session();
  const turn = run.start(sessionId, "/test stream 20000 32 1");
  await run.editor.chunks(sessionId, 20);
  const before = run.editor.of(sessionId).length;
  const answered = run.wire.answered.length;
  await load(run, sessionId);
  expect((await turn.reason) === "end_turn", `stopReason is ${await turn.reason}`);
  const order = run.wire.answered.slice(answered).join();
  expect(order === "session/load,session/prompt", `the answers came in the order ${order}`);
  const updates = run.editor.of(sessionId).slice(before);
  const told = updates.slice(updates.findIndex((update) => update.sessionUpdate === "user_message_chunk"));
  const texts = told.filter((update) => update.sessionUpdate === "agent_message_chunk").map(({ content }) => content.text);
  expect(texts.join("").length === 20000 * 32, `the load and what followed told ${texts.join("").length} characters`);
  return `${texts.length} chunks from the load on`;
}

async function resume(run) {
  const sessionId = await run.session();
  await run.ask(sessionId, "/test thought");
  await run.request(A.session.close, { sessionId });
  const before = run.editor.of(sessionId).length;
  const answer = await run.request(A.session.resume, { sessionId, cwd: run.workspace });
  expect(answer.configOptions.length >= 2, `configOptions are ${JSON.stringify(answer.configOptions)}`);
  await run.request(A.session.setMode, { sessionId, modeId: "plan" });
  const set = await run.request(A.session.setConfigOption, { sessionId, configId: "mode", value: "ask" });
  const mode = set.configOptions.find((option) => option.id === "mode").currentValue;
  expect(mode === "ask", `the mode is ${mode}`);
  expect((await run.ask(sessionId, "/test noop")) === "end_turn", "the resumed session takes no prompt");
  const kinds = run.editor.of(sessionId).slice(before).map((update) => update.sessionUpdate);
  const retold = kinds.filter((kind) => kind.endsWith("_chunk"));
  expect(retold.length === 0, `the past was told: ${retold}`);
  expect(kinds.includes("current_mode_update"), `the updates were ${kinds}`);
  return kinds.join();
}

async function listed(run, cwd) {
  const sessions = [];
  let pages = 0;
  let cursor;
  do {
    const page = await run.request(A.session.list, { cwd, ...(cursor ? { cursor } : {}) });
    sessions.push(...page.sessions);
    cursor = page.nextCursor;
    pages++;
  } while (cursor);
  return { sessions, pages };
}

async function list(run) {
  const cwd = run.path("many");
  fs.mkdirSync(cwd);
  const open = () => run.request(A.session.new, { cwd, mcpServers: [] });
  const made = (await Promise.all(Array.from({ length: 60 }, open))).map(({ sessionId }) => sessionId);
  const { sessions, pages } = await listed(run, cwd);
  expect(pages > 1, "60 sessions came in one page");
  expectSame("the list", made.toSorted(), sessions.map(({ sessionId }) => sessionId).toSorted());
  expect(sessions.every((session) => session.cwd === cwd && session.updatedAt), JSON.stringify(sessions[0]));
  return `60 sessions on ${pages} pages`;
}

async function close_and_delete(run) {
  const sessionId = await run.session();
  const turn = run.start(sessionId, "/test wait");
  await run.editor.chunks(sessionId, 1);
  await run.request(A.session.delete, { sessionId });
  expect((await turn.reason) === "cancelled", `the prompt ended with ${await turn.reason}`);
  await run.request(A.session.delete, { sessionId });
  const { sessions } = await listed(run);
  expect(!sessions.some((session) => session.sessionId === sessionId), "it is still in the list");
  const error = await load(run, sessionId).then(() => undefined, (error) => error);
  expect(error?.code === -32002, `loading it gave ${error}`);
  return "twice, and gone";
}

async function form(run) {
  const sessionId = await run.session();
  const { editor } = run;
  Object.assign(editor, { questions: [], content: {} });
  await run.ask(sessionId, "/test form");
  const [question] = editor.questions;
  expect(question?.mode === "form" && question.sessionId === sessionId, JSON.stringify(question));
  editor.content = Object.fromEntries(
    Object.entries(question.requestedSchema.properties).map(([name, field]) => [name, answerOf(field)]),
  );
  const reason = await run.ask(sessionId, "/test form");
  expect(reason === "end_turn", `stopReason is ${reason}`);
  const ends = editor.of(sessionId).filter((update) => ["completed", "failed"].includes(update.status));
  expectSame("how the calls ended", ["failed", "completed"], ends.map((update) => update.status));
  return Object.keys(editor.content).join();
}

const TEXTS = { email: "ada@example.org", date: "2026-02-28", "date-time": "2026-02-28T12:00:00Z" };

function answerOf(field) {
  if (field.default !== undefined && field.default !== null) return field.default;
  const choice = field.enum?.[0] ?? field.oneOf?.[0].const;
  const item = field.items?.enum?.[0] ?? field.items?.anyOf?.[0].const;
  const number = field.minimum ?? 1;
  return { string: choice ?? TEXTS[field.format] ?? "word", boolean: true, integer: number, number, array: [item] }[field.type];
}

async function url(run) {
  const sessionId = await run.session();
  const { editor } = run;
  Object.assign(editor, { questions: [], completed: [] });
  const reason = await run.ask(sessionId, "/test url");
  expect(reason === "end_turn", `stopReason is ${reason}`);
  const [question] = editor.questions;
  expect(question.mode === "url" && question.url === "https://example.com/", JSON.stringify(question));
  expectSame("the completed pages", [question.elicitationId], editor.completed);
  return question.elicitationId;
}

async function notices(run) {
  const sessionId = await run.session();
  await run.ask(sessionId, "/test notice");
  const severities = run.editor.of(sessionId).filter((u) => u.sessionUpdate === "notice").map((u) => u.severity);
  expectSame("the notices", ["info", "warning", "error"], severities);
  return "three";
}

async function many_at_once(run) {
  const talk = async () => {
    const sessionId = await run.session();
    for (let i = 0; i < 5; i++) {
      await run.ask(sessionId, "/test stream 20 8 1");
      await run.request(A.session.close, { sessionId });
      const loaded = fold(await load(run, sessionId));
      const messages = [...loaded.entries.keys()].filter((key) => key.startsWith("agent_message"));
      expect(messages.length === i + 1, `${messages.length} messages after ${i + 1} turns`);
    }
  };
  await Promise.all(Array.from({ length: 10 }, talk));
  return "10 sessions, each loaded 5 times";
}

async function fork(run) {
  const sessionId = await run.session();
  await run.ask(sessionId, "/test thought");
  const answer = await run.request(A.session.fork, { sessionId, cwd: run.workspace, mcpServers: [] });
  expect(answer.sessionId !== sessionId, "the fork has the id of the session");
  const [mine, theirs] = [fold(await load(run, sessionId)), fold(await load(run, answer.sessionId))];
  expectSame("the copy", [...mine.entries], [...theirs.entries]);
  return "reads like the session";
}

async function archive(run) {
  const sessionId = await run.session();
  await run.ask(sessionId, "/test noop");
  await run.request(A.session.archive, { sessionId });
  const status = await run.request(A.session.status, { sessionId });
  expect(status.status === "saved", JSON.stringify(status));
  const has = async () => (await listed(run, run.workspace)).sessions.some((info) => info.sessionId === sessionId);
  expect(!(await has()), "it is still in the list");
  await run.request(A.session.unarchive, { sessionId });
  expect(await has(), "it is not in the list");
  return "out and in again";
}

async function title(run) {
  const sessionId = await run.session();
  const { title } = await run.request(A.session.setTitle, { sessionId, title: "Mine" });
  expect(title === "Mine", `the title is ${title}`);
  expect((await load(run, sessionId)).some((update) => update.title === "Mine"), "a load does not tell it");
  return "kept";
}

async function auth_status(run) {
  const status = await run.request(A.auth.status, {});
  expect(status.state === "not_required", JSON.stringify(status));
  return status.state;
}

async function no_complaints(run) {
  const lines = run.wire.messages.map((message) => JSON.stringify(message) + "\n");
  fs.writeFileSync(process.argv[4], lines.join(""));
  const { outOfTurn } = run.wire;
  expect(outOfTurn.length === 0, `updates outside a turn: ${JSON.stringify(outOfTurn.slice(0, 5))}`);
  expect(complaints.length === 0, complaints.slice(0, 5).join("\n"));
  return `${lines.length} messages`;
}

export const STEPS = {
  initialize,
  load_reads_as_lived,
  load_while_a_prompt_runs,
  resume,
  list,
  close_and_delete,
  form,
  url,
  notices,
  many_at_once,
  ...(UNSTABLE ? { fork, archive, title, auth_status } : {}),
  no_complaints,
};
