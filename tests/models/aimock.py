"""aimock, a program of others that speaks the APIs of all big model providers, on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance import npm

Fixture = dict[str, Any]
START_S = 15.0


class Aimock:
    """A running one. ``url`` has no path."""

    def __init__(self, port: int, key: str, popen: subprocess.Popen[bytes]) -> None:
        self.port = port
        self._popen = popen
        self.url = f"http://127.0.0.1:{port}"
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._popen.kill()
        self._popen.wait()

    def use(self, *fixtures: Fixture) -> None:
        """Answer with these from now on, and forget what was asked."""
        self._call("POST", "/__aimock/reset")
        self._call("POST", "/__aimock/fixtures", {"fixtures": list(fixtures)})

    def asked(self) -> list[dict[str, Any]]:
        """The requests for answers so far: each with ``headers``, ``path`` and ``body``."""
        requests: list[dict[str, Any]] = self._call("GET", "/__aimock/journal?limit=1000")
        return [request for request in requests if request["method"] == "POST"]

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=self._headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = answer.read()
        return json.loads(said) if said else None


@contextmanager
def running(directory: Path, *, only_key: str = "", port: int = 0) -> Iterator[Aimock]:
    """Start one that knows no answer yet; it is gone at the end of the block. It takes ``only_key``, or any key.

    ``port``: where it listens; 0: somewhere.

    Raises:
        NotInstalled: there is no node here, or it could not be installed.
    """
    program = [npm.node(), str(npm.installed("@copilotkit/aimock") / "dist" / "cli.js")]
    fixtures = directory / "fixtures.json"
    fixtures.write_text('{"fixtures": [{"match": {"userMessage": "-"}, "response": {"content": "-"}}]}')
    port = port or _free_port()
    command = [*program, "-p", str(port), "-h", "127.0.0.1", "-f", str(fixtures), "--strict", "-c", "8"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], **({"AIMOCK_API_KEYS": only_key} if only_key else {})},
    ) as popen:
        try:
            _wait_for(port, popen)
            yield Aimock(port, only_key, popen)
        finally:
            popen.kill()


def answers(text: str, content: str, **more: Any) -> Fixture:
    """Who says ``text`` is answered with ``content``."""
    keys = ("reasoning", "usage", "finishReason", "toolCalls")
    response = {"content": content, **{key: more.pop(key) for key in keys if key in more}}
    match = {"userMessage": text, **more.pop("match", {})}
    return {"match": match, "response": response, **more}


def fails(text: str, status: int, message: str, kind: str, **more: Any) -> Fixture:
    """Who says ``text`` gets an error."""
    match = {"userMessage": text, **more.pop("match", {})}
    return {"match": match, "response": {"error": {"message": message, "type": kind}, "status": status, **more}}


def call(call_id: str, name: str, **arguments: Any) -> dict[str, str]:
    """A call of a tool."""
    return {"id": call_id, "name": name, "arguments": json.dumps(arguments)}


def parts_of(requests: Sequence[dict[str, Any]]) -> str:
    """All that was said in these requests, as one text to look in."""
    return json.dumps([request["body"] for request in requests])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, popen: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert popen.poll() is None, "aimock ended at its start"
            assert time.monotonic() < deadline_s, "aimock did not start"
            time.sleep(0.02)  # it says nothing that could be waited for
