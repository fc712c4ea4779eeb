// Drives an ACP agent's sessions with the official TypeScript SDK: they are listed, loaded, resumed, closed and deleted.
//
//     node ts_sessions.mjs '["command", "of", "the", "agent"]' WORKSPACE FRAMES [--unstable]
//
// As ts_client.mjs; every message of both sides is written to the file FRAMES as a JSON line {"ofAgent", "message"}.
import { drive, overPipes } from "./ts_run.mjs";
import { STEPS } from "./ts_session_steps.mjs";

await drive(STEPS, process.argv.slice(2), overPipes);
