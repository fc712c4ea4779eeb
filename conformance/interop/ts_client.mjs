// Drives an ACP agent with the official TypeScript SDK, one named step after another.
//
//     node ts_client.mjs '["command", "of", "the", "agent"]' WORKSPACE
//
// One JSON line per step goes to stdout, {"step", "ok", "detail"}; the exit status is 0 if every step is ok. The SDK is
// looked up beside this file, or in the directory that ACP_SDK_ROOT names.
import { drive, overPipes } from "./ts_run.mjs";
import { STEPS } from "./ts_steps.mjs";

await drive(STEPS, process.argv.slice(2), overPipes);
