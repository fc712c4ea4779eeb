"""What the breakable client does for its agent: files, terminals and pages. Standard library only."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO, Any

METHOD_NOT_FOUND, INVALID_PARAMS, NOT_FOUND, INTERNAL_ERROR = -32601, -32602, -32002, -32603


class Refused(Exception):
    """The agent's request is answered with this error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Services:
    """Answers requests; ``broken`` names what is done wrongly (`client.MUTANTS`)."""

    def __init__(self, broken: frozenset[str]) -> None:
        self._broken = broken
        self._terminals: dict[str, tuple[subprocess.Popen[bytes], IO[bytes], int | None]] = {}

    def serve(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of a request.

        Raises:
            Refused: there is none.
        """
        known = {
            "fs/read_text_file": self._read,
            "fs/write_text_file": self._write,
            "elicitation/create": self._show,
            "terminal/create": self._create,
            "terminal/output": self._output,
            "terminal/wait_for_exit": self._wait,
            "terminal/kill": self._kill,
            "terminal/release": self._release,
        }
        if method not in known:
            if "grants-unknown-methods" in self._broken and not method.startswith("_"):
                return {}
            raise Refused(METHOD_NOT_FOUND, "Method not found")
        try:
            return known[method](params)
        except FileNotFoundError:
            raise Refused(NOT_FOUND, "there is no such file") from None
        except OSError as error:
            raise Refused(INTERNAL_ERROR, str(error)) from None

    def _read(self, params: Mapping[str, Any]) -> Any:
        if "reads-missing-files" in self._broken and not os.path.exists(params["path"]):
            return {"content": ""}
        with open(params["path"], encoding="utf-8") as file:
            lines = file.readlines()
        if "reads-all-lines" not in self._broken:
            first = max((params.get("line") or 1) - 1, 0)
            lines = lines[first:][: params.get("limit")]
        return {"content": "".join(lines)}

    def _write(self, params: Mapping[str, Any]) -> Any:
        if "creates-no-files" in self._broken and not os.path.exists(params["path"]):
            raise Refused(NOT_FOUND, "there is no such file")
        with open(params["path"], "w", encoding="utf-8") as file:
            file.write(params["content"])
        return {}

    def _show(self, params: Mapping[str, Any]) -> Any:
        if params.get("mode") == "form" or "shows-any-page" in self._broken:
            return {"action": "accept", "content": {"name": "nobody"}}
        raise Refused(INVALID_PARAMS, "no pages are shown here")

    def _create(self, params: Mapping[str, Any]) -> Any:
        output = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the terminal
        process = subprocess.Popen(
            [params["command"], *params.get("args", ())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=params.get("cwd"),
        )
        terminal_id = f"terminal-{len(self._terminals) + 1}"
        self._terminals[terminal_id] = process, output, params.get("outputByteLimit")
        return {"terminalId": terminal_id}

    def _find(self, params: Mapping[str, Any]) -> tuple[subprocess.Popen[bytes], IO[bytes], int | None]:
        if params.get("terminalId") not in self._terminals:
            raise Refused(NOT_FOUND, "there is no such terminal")
        return self._terminals[params["terminalId"]]

    def _output(self, params: Mapping[str, Any]) -> Any:
        process, output, limit = self._find(params)
        output.seek(0)
        data = output.read()
        truncated = False
        if limit is not None and len(data) > limit:
            truncated = True
            data = data[:limit] if "cuts-off-the-end" in self._broken else data[-limit:]
            while data and data[0] & 0xC0 == 0x80:
                data = data[1:]
        answer: dict[str, Any] = {"output": data.decode("utf-8", "ignore"), "truncated": truncated}
        status = process.poll()
        return answer if status is None else {**answer, "exitStatus": _status(status)}

    def _wait(self, params: Mapping[str, Any]) -> Any:
        status = self._find(params)[0].wait()
        return _status(0 if "every-exit-is-zero" in self._broken else status)

    def _kill(self, params: Mapping[str, Any]) -> Any:
        self._find(params)[0].kill()
        if "forgets-killed-terminals" in self._broken:
            del self._terminals[params["terminalId"]]
        return {}

    def _release(self, params: Mapping[str, Any]) -> Any:
        process, output, _ = self._find(params)
        process.kill()
        process.wait()
        output.close()
        del self._terminals[params["terminalId"]]
        return {}


def _status(code: int) -> dict[str, Any]:
    return {"exitCode": code} if code >= 0 else {"signal": str(-code)}
