"""A very small MCP server on stdio. It writes its first request into the file that its argument names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TOOL = {"name": "conformance_nothing", "description": "Does nothing.", "inputSchema": {"type": "object"}}
METHOD_NOT_FOUND = -32601


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a request; None if there is no such method."""
    match method:
        case "initialize":
            version = params.get("protocolVersion", "2025-06-18")
            info = {"name": "conformance", "version": "1"}
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        case "ping":
            return {}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            return {"content": [{"type": "text", "text": "nothing"}]}
    return None


def main() -> None:
    mark = Path(sys.argv[1])
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        if not mark.exists():
            mark.write_text(line, encoding="utf-8")
        result = answer(message["method"], message.get("params") or {})
        error = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
        outcome = {"error": error} if result is None else {"result": result}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}), flush=True)


if __name__ == "__main__":
    main()
