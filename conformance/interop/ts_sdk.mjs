// The official TypeScript SDK, and what it complains about.
import { createRequire } from "node:module";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

// The SDK writes to the console what it cannot parse or validate; nothing else tells us.
export const complaints = [];
for (const level of ["error", "warn"]) {
  console[level] = (...parts) => complaints.push(parts.map((part) => JSON.stringify(part) ?? String(part)).join(" "));
}

/** Imports a package of the directory that ACP_SDK_ROOT names, or of this one. */
export async function load(name) {
  const root = process.env.ACP_SDK_ROOT;
  return root ? import(pathToFileURL(locate(name)).href) : import(name);
}

/** The path of a module of a package, as "PACKAGE" or "PACKAGE/PATH". */
export function locate(name) {
  const root = process.env.ACP_SDK_ROOT;
  return createRequire(root ? path.join(root, "package.json") : import.meta.url).resolve(name);
}

const SDK = "@agentclientprotocol/sdk";
export const acp = await load(process.argv.includes("--unstable") ? `${SDK}/unstable` : SDK);
