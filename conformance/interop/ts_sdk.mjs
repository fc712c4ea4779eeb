// The official TypeScript SDK, and what it complains about.
import { createRequire } from "node:module";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

// The SDK writes to the console what it cannot parse or validate; nothing else tells us.
export const complaints = [];
for (const level of ["error", "warn"]) {
  console[level] = (...parts) => complaints.push(parts.map((part) => JSON.stringify(part) ?? String(part)).join(" "));
}

async function load() {
  const root = process.env.ACP_SDK_ROOT;
  const name = process.argv.includes("--unstable") ? "@agentclientprotocol/sdk/unstable" : "@agentclientprotocol/sdk";
  if (!root) return import(name);
  const entry = createRequire(path.join(root, "package.json")).resolve(name);
  return import(pathToFileURL(entry).href);
}

export const acp = await load();
