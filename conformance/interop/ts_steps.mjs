// What every editor does with an agent: steps on the official TypeScript SDK.
//
// The agent must understand the prompts "/test ...", "/write PATH TEXT" and "/read PATH".
import { once } from "node:events";
import * as fs from "node:fs";
import { StepError, expect } from "./ts_run.mjs";
import { acp, complaints } from "./ts_sdk.mjs";

const { agent: A } = acp.methods;

const CANCEL_MS = 1_000;
const BIG_BYTES = 5 * 1024 * 1024;

async function initialize(run) {
  const answer = await run.agent.request(A.initialize, {
    protocolVersion: acp.PROTOCOL_VERSION,
    clientCapabilities: { fs: { readTextFile: true, writeTextFile: true }, terminal: true },
    clientInfo: { name: "interop-typescript", version: "1" },
  });
  expect(answer.protocolVersion === 1, `protocolVersion is ${answer.protocolVersion}`);
  const info = answer.agentInfo;
  expect(info?.name && info?.version, `agentInfo is ${JSON.stringify(info)}`);
  return `${info.name} ${info.version}`;
}

async function new_session(run) {
  const answer = await run.newSession();
  expect(answer.sessionId, "there is no sessionId");
  const modes = answer.modes?.availableModes.map((mode) => mode.id) ?? [];
  expect(modes.includes("ask") && modes.includes("plan"), `modes are ${modes}`);
  const options = answer.configOptions?.map((option) => option.id) ?? [];
  expect(options.includes("mode") && options.includes("model"), `configOptions are ${options}`);
  return `modes ${modes}, configOptions ${options}`;
}

function expectChunks(run, sessionId, count, size) {
  const texts = run.editor.texts(sessionId);
  const same = texts.length === count && texts.every((text) => text === "x".repeat(size));
  const sizes = [...new Set(texts.map((text) => text.length))];
  expect(same, `${texts.length} chunks of the sizes ${sizes}, not ${count} of ${size}`);
}

async function expectQuiet(run, sessionId) {
  await run.session();
  const late = run.wire.outOfTurn.filter((update) => update.sessionId === sessionId).map(({ kind }) => kind);
  expect(late.length === 0, `updates after the response: ${late.slice(0, 3)}`);
}

async function stream(run) {
  const sessionId = await run.session();
  const reason = await run.ask(sessionId, "/test stream 200 16 10");
  expect(reason === "end_turn", `stopReason is ${reason}`);
  expectChunks(run, sessionId, 200, 16);
  await expectQuiet(run, sessionId);
  return "200 chunks";
}

async function order(run) {
  const sessionId = await run.session();
  await run.ask(sessionId, "/test thought");
  const runs = [];
  for (const { sessionUpdate, content } of run.editor.of(sessionId)) {
    if (sessionUpdate !== "agent_message_chunk" && sessionUpdate !== "agent_thought_chunk") continue;
    if (runs.at(-1)?.[0] === sessionUpdate) runs.at(-1)[1] += content.text;
    else runs.push([sessionUpdate, content.text]);
  }
  const texts = runs.map(([, text]) => text).join("|");
  expect(texts === "A first thought.|A first text.|A second thought.|A second text.", `arrived as ${texts}`);
  return "two thoughts and two texts in order";
}

async function permission_allow(run) {
  const sessionId = await run.session();
  const { editor } = run;
  const names = ["allowed-1.txt", "allowed-2.txt"];
  Object.assign(editor, { choice: "allow_once", writes: [], permissions: [] });
  editor.watched = names.map((name) => run.path(name));
  for (const name of names) {
    const reason = await run.ask(sessionId, `/write ${name} text of ${name}`);
    expect(reason === "end_turn", `stopReason is ${reason}`);
  }
  expect(editor.permissions.length === 2, `${editor.permissions.length} permission requests for two writes`);
  const { kinds, existing } = editor.permissions[0];
  expect(kinds.includes("allow_once") && kinds.includes("reject_once"), `the options are ${kinds}`);
  expect(existing.length === 0, "the file was there before the permission was asked");
  for (const name of names) {
    const text = fs.readFileSync(run.path(name), "utf8");
    expect(text.trimEnd() === `text of ${name}`, `${name} holds ${text}`);
  }
  expect(editor.writes.join() === editor.watched.join(), `fs/write_text_file was called for ${editor.writes}`);
  return "written through the client";
}

function expectUnwritten(run, sessionId, name) {
  const { editor } = run;
  expect(editor.permissions.length === 1, `${editor.permissions.length} permission requests`);
  const written = editor.writes.length > 0 || fs.existsSync(run.path(name));
  expect(!written, "the file was written all the same");
  const status = editor.of(sessionId).findLast((update) => update.status)?.status;
  expect(status === "failed", `the tool call was left ${status}`);
}

async function permission_reject(run) {
  const sessionId = await run.session();
  const { editor } = run;
  Object.assign(editor, { choice: "reject_once", writes: [], permissions: [] });
  const reason = await run.ask(sessionId, "/write rejected.txt nothing");
  expect(reason === "end_turn", `stopReason is ${reason}`);
  expectUnwritten(run, sessionId, "rejected.txt");
  return "untouched";
}

async function fs_read(run) {
  const sessionId = await run.session();
  const file = run.path("notes.txt");
  fs.writeFileSync(file, "saved-on-disk\n");
  run.editor.unsaved.set(file, "unsaved-in-editor\n");
  const reason = await run.ask(sessionId, "/read notes.txt");
  expect(reason === "end_turn", `stopReason is ${reason}`);
  const shown = JSON.stringify(run.editor.of(sessionId));
  expect(shown.includes("unsaved-in-editor"), "the user was not shown the unsaved text");
  expect(!shown.includes("saved-on-disk"), "the user was shown the text on the disk");
  return "showed the unsaved text";
}

async function terminal(run) {
  const sessionId = await run.session();
  const { editor } = run;
  const before = editor.terminals().made;
  Object.assign(editor, { choice: "allow_once", permissions: [] });
  const reason = await run.ask(sessionId, "/test terminal echo from-a-terminal");
  expect(reason === "end_turn", `stopReason is ${reason}`);
  expect(editor.permissions.length === 1, `${editor.permissions.length} permission requests`);
  const { made, open } = editor.terminals();
  expect(made === before + 1 && open === 0, `${made - before} terminals, ${open} of them not released`);
  const contents = editor.of(sessionId).flatMap((update) => (Array.isArray(update.content) ? update.content : []));
  const shown = contents.filter(({ type }) => type === "terminal").map(({ terminalId }) => terminalId);
  expect(new Set(shown).size === 1, `the user was shown the terminals ${shown}`);
  const status = editor.of(sessionId).findLast((update) => update.status)?.status;
  expect(status === "completed", `the tool call was left ${status}`);
  return "shown and released";
}

async function cancel(run, prompt, chunks) {
  const sessionId = await run.session();
  const turn = run.start(sessionId, prompt);
  await run.editor.chunks(sessionId, chunks);
  const cancelledAt = performance.now();
  await run.agent.notify(A.session.cancel, { sessionId });
  const reason = await turn.reason;
  const tookMs = performance.now() - cancelledAt;
  expect(reason === "cancelled", `stopReason is ${reason}`);
  expect(tookMs < CANCEL_MS, `the response came ${tookMs.toFixed(0)} ms after session/cancel`);
  await expectQuiet(run, sessionId);
  expect((await run.ask(sessionId, "/test noop")) === "end_turn", "the next prompt did not end its turn");
  return `${tookMs.toFixed(0)} ms`;
}

const cancel_waiting = (run) => cancel(run, "/test wait", 1);
const cancel_streaming = (run) => cancel(run, "/test stream 1000000 32 1", 50);

async function cancel_asking(run) {
  const sessionId = await run.session();
  const { editor } = run;
  Object.assign(editor, { choice: "cancelled", writes: [], permissions: [] });
  const reason = await run.ask(sessionId, "/write cancelled.txt nothing");
  expect(reason === "cancelled", `stopReason is ${reason}`);
  expectUnwritten(run, sessionId, "cancelled.txt");
  await expectQuiet(run, sessionId);
  return "untouched";
}

async function two_sessions(run) {
  const waiting = await run.session();
  const held = run.start(waiting, "/test wait");
  await run.editor.chunks(waiting, 1);
  const pairs = [
    [await run.session(), 300, 11],
    [await run.session(), 200, 13],
  ];
  const reasons = await Promise.all(pairs.map(([id, count, size]) => run.ask(id, `/test stream ${count} ${size} 1`)));
  expect(reasons.join() === "end_turn,end_turn", `stopReasons are ${reasons}`);
  expect(!held.done, "the prompt that waits was ended by the others");
  for (const [id, count, size] of pairs) expectChunks(run, id, count, size);
  await run.agent.notify(A.session.cancel, { sessionId: waiting });
  const reason = await held.reason;
  expect(reason === "cancelled", `the prompt that waited ended with ${reason}`);
  return "two streams beside a prompt that waits";
}

async function many_sessions(run) {
  const talk = async (number) => {
    const sessionId = await run.session();
    for (let i = 0; i < 10; i++) {
      const reason = await run.ask(sessionId, `/test stream 10 ${number} 1`);
      expect(reason === "end_turn", `stopReason is ${reason}`);
    }
    expectChunks(run, sessionId, 100, number);
  };
  await Promise.all(Array.from({ length: 10 }, (_, index) => talk(index + 1)));
  return "10 sessions, 100 prompts, 1000 chunks";
}

async function big_prompt(run) {
  const sessionId = await run.session();
  const startedAt = performance.now();
  const reason = await run.ask(sessionId, "/test noop " + "n".repeat(BIG_BYTES));
  expect(reason === "end_turn", `stopReason is ${reason}`);
  return `${BIG_BYTES} bytes of text in ${(performance.now() - startedAt).toFixed(0)} ms`;
}

async function big_image(run) {
  const sessionId = await run.session();
  const data = Buffer.alloc(BIG_BYTES).toString("base64");
  const reason = await run.ask(sessionId, "/test noop", { type: "image", mimeType: "image/png", data });
  expect(reason === "end_turn", `stopReason is ${reason}`);
  return `${BIG_BYTES} bytes of image`;
}

async function expectNotFound(run, sessionId) {
  try {
    const reason = await run.ask(sessionId, "/test noop");
    throw new StepError(`the prompt was answered with ${reason}`);
  } catch (error) {
    if (!(error instanceof acp.RequestError)) throw error;
    expect(error.code === -32002, `the error is ${error.code}: ${error.message}`);
    expect(error.data?.sessionId === sessionId, `the error's data is ${JSON.stringify(error.data)}`);
  }
}

async function unknown_session(run) {
  await expectNotFound(run, "session-that-never-was");
  return "-32002";
}

async function close(run) {
  const sessionId = await run.session();
  const turn = run.start(sessionId, "/test wait");
  await run.editor.chunks(sessionId, 1);
  await run.agent.request(A.session.close, { sessionId });
  const reason = await turn.reason;
  expect(reason === "cancelled", `the prompt ended with ${reason}`);
  const answered = run.wire.answered.slice(-2).join();
  expect(answered === "session/prompt,session/close", `the answers came in the order ${answered}`);
  await expectNotFound(run, sessionId);
  return "prompt cancelled, session gone";
}

async function end_of_input(run) {
  const startedAt = performance.now();
  run.way.process.stdin.end();
  const status = run.way.process.exitCode ?? (await once(run.way.process, "exit"))[0];
  const tookMs = performance.now() - startedAt;
  expect(status === 0, `the exit status is ${status}`);
  expect(tookMs < 2_000, `the agent exited ${tookMs.toFixed(0)} ms after the end of its input`);
  return `exited after ${tookMs.toFixed(0)} ms`;
}

async function no_complaints(run) {
  const { outOfTurn } = run.wire;
  expect(outOfTurn.length === 0, `updates outside a turn: ${JSON.stringify(outOfTurn.slice(0, 5))}`);
  expect(complaints.length === 0, complaints.slice(0, 5).join("\n"));
  return "every frame was valid and in its turn";
}

export const STEPS = {
  initialize,
  new_session,
  stream,
  order,
  permission_allow,
  permission_reject,
  fs_read,
  terminal,
  cancel_waiting,
  cancel_streaming,
  cancel_asking,
  two_sessions,
  many_sessions,
  big_prompt,
  big_image,
  unknown_session,
  close,
  end_of_input,
  no_complaints,
};
