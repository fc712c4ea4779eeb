// Drives an agent through named steps, and prints one JSON line per step: {"step", "ok", "detail"}.
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { Readable, Writable } from "node:stream";
import { Editor, Wire } from "./ts_editor.mjs";
import { acp, complaints } from "./ts_sdk.mjs";

const { agent: A } = acp.methods;

const STEP_MS = 30_000;
const ALL_STEPS_MS = 100_000;

export class StepError extends Error {}

export function expect(condition, detail) {
  if (!condition) throw new StepError(detail);
}

export class Run {
  editor = new Editor();
  wire = new Wire();
  agent = undefined;

  constructor(workspace, way) {
    this.workspace = workspace;
    this.way = way;
  }

  path(name) {
    return path.join(this.workspace, name);
  }

  newSession() {
    return this.agent.request(A.session.new, { cwd: this.workspace, mcpServers: [] });
  }

  async session() {
    return (await this.newSession()).sessionId;
  }

  /** The answer, once what came before it has been delivered, which the SDK does a little later. */
  async request(method, params) {
    const answer = await this.agent.request(method, params);
    await new Promise(setImmediate);
    return answer;
  }

  async ask(sessionId, text, ...blocks) {
    const prompt = [{ type: "text", text }, ...blocks];
    return (await this.request(A.session.prompt, { sessionId, prompt })).stopReason;
  }

  /** Like ask, but a failure waits for the step to look at it instead of ending the process. */
  start(sessionId, text) {
    const turn = { done: false, reason: this.ask(sessionId, text).finally(() => (turn.done = true)) };
    turn.reason.catch(() => {});
    return turn;
  }
}

async function within(promise, milliseconds) {
  let timer;
  const late = new Promise((_, reject) => {
    const detail = `nothing came in ${STEP_MS / 1000} s (or the ${ALL_STEPS_MS / 1000} s for all steps are over)`;
    timer = setTimeout(() => reject(new StepError(detail)), Math.max(milliseconds, 0));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs one step within its time, prints its line, and tells whether it is ok. */
async function judge(name, step, run, budgetMs) {
  let ok = false;
  let detail;
  try {
    detail = await within(step(run), Math.min(STEP_MS, budgetMs));
    ok = true;
  } catch (error) {
    detail = error instanceof StepError ? error.message : `${error.code ?? ""} ${error.stack} ${JSON.stringify(error.data)}`;
  }
  process.stdout.write(JSON.stringify({ step: name, ok, detail }) + "\n");
  return ok;
}

/**
 * The agent as a child, with the SDK at its pipes. Like every way to an agent: the process that we started, the stream
 * of messages, and an end that leaves nothing running.
 */
export function overPipes([command, ...args], workspace) {
  const child = spawn(command, args, { cwd: workspace, stdio: ["pipe", "pipe", "inherit"] });
  child.on("error", (error) => complaints.push(String(error)));
  child.stdin.on("error", () => {});
  const end = () => (child.stdin.end(), gone(child));
  return { process: child, stream: acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout)), end };
}

/** Waits for the end of a child: nobody else would reap it. */
export async function gone(child) {
  const timer = setTimeout(() => child.kill("SIGKILL"), STEP_MS);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  clearTimeout(timer);
}

/** Runs the steps, by their names, against the agent AGENT in the directory WORKSPACE; ends the process. */
export async function drive(steps, [commandJson, directory], reach) {
  const workspace = fs.realpathSync(directory);
  const way = await reach(JSON.parse(commandJson), workspace);
  process.on("exit", () => way.process.kill("SIGKILL"));
  const run = new Run(workspace, way);
  const connection = run.editor.app().connect(run.wire.tap(way.stream));
  connection.closed.catch(() => {});
  run.agent = connection.agent;
  const endsAt = performance.now() + ALL_STEPS_MS;
  let allOk = true;
  for (const [name, step] of Object.entries(steps)) {
    allOk = (await judge(name, step, run, endsAt - performance.now())) && allOk;
  }
  await way.end();
  process.stdout.write("", () => process.exit(allOk ? 0 : 1));
}
