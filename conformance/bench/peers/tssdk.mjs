// The official TypeScript SDK, from where ACP_SDK_ROOT says that it is installed, else from beside this file.
import { createRequire } from "node:module";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

const NAME = "@agentclientprotocol/sdk";
const root = process.env.ACP_SDK_ROOT;
const entry = root && createRequire(path.join(root, "package.json")).resolve(NAME);

export const acp = await import(entry ? pathToFileURL(entry).href : NAME);
