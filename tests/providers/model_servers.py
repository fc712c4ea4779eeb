"""Servers of models on the loopback, as far as saying who they are and what they have: real HTTP, made-up models."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Asked"], Any]


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Refusal:
    """An answer other than 200."""

    status: int
    body: Any = field(default_factory=dict)


@dataclass
class Stream:
    """An answer that is a stream of events."""

    body: bytes


def saying(text: str) -> Stream:
    """A whole answer of a model, as Chat Completions stream it."""
    chunks: list[dict[str, Any]] = [{"delta": {"content": text}}, {"delta": {}, "finish_reason": "stop"}]
    lines = [json.dumps({"choices": [{"index": 0, **chunk}]}) for chunk in chunks]
    return Stream("".join(f"data: {line}\n\n" for line in (*lines, "[DONE]")).encode())


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Whoever asks may be gone before the answer."""


class ModelServer:
    """What is asked of it, and what it answers: ``routes`` by method and path, JSON values or functions."""

    def __init__(self, routes: Mapping[str, Any]) -> None:
        self.routes = dict(routes)
        self.asked: list[Asked] = []
        self.hangs = threading.Event()
        """Until it is set, nothing is answered by a route that is ``...``."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]
        self.place = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.place}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        path = handler.path.partition("?")[0]
        asked = Asked(handler.command, path, headers, json.loads(body) if body else None)
        self.asked.append(asked)
        route = self.routes.get(f"{asked.method} {path}", Refusal(404))
        if route is ...:
            self.hangs.wait(30)
            route = Refusal(503)
        value = route(asked) if callable(route) else route
        status, value = (value.status, value.body) if isinstance(value, Refusal) else (200, value)
        stream = isinstance(value, Stream)
        text = value.body if isinstance(value, Stream) else json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("content-type", "text/event-stream" if stream else "application/json")
        handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    @contextmanager
    def running(self) -> Iterator[ModelServer]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.hangs.set()
            self._http.shutdown()
            self._http.server_close()
            thread.join(10)


def ollama(**models: Mapping[str, Any]) -> ModelServer:
    """Ollama with these models, each with what ``/api/show`` says of it; an underscore in a name stands for a colon."""
    shown = {name.replace("_", ":"): said for name, said in models.items()}
    return ModelServer(
        {
            "GET /api/version": {"version": "0.14.2"},
            "GET /api/tags": {"models": [{"name": name, "model": name, "size": 1} for name in shown]},
            "GET /api/ps": {"models": []},
            "POST /api/show": lambda asked: shown.get(asked.body["model"], Refusal(404)),
        }
    )


def qwen(*more: str, parameters: str = "") -> dict[str, Any]:
    """What Ollama says of a model that can talk, and can do these things besides."""
    size = {"general.architecture": "qwen3", "qwen3.context_length": 40960}
    return {"capabilities": ["completion", *more], "model_info": size, "parameters": parameters}


def lmstudio() -> ModelServer:
    models = [
        {"type": "embedding", "key": "nomic-embed", "max_context_length": 2048},
        {
            "type": "llm", "key": "qwen/qwen3-4b", "display_name": "Qwen3 4B", "max_context_length": 262144,
            "loaded_instances": [{"id": "x", "config": {"context_length": 8192}}],
            "capabilities": {"vision": False, "trained_for_tool_use": True},
        },
        {
            "type": "llm", "key": "gemma", "display_name": "Gemma", "max_context_length": 32768,
            "loaded_instances": [], "capabilities": {"vision": True, "trained_for_tool_use": False},
        },
    ]  # fmt: skip
    return ModelServer({"GET /api/v1/models": {"models": models}})


def llamacpp(*, tools: bool = True) -> ModelServer:
    return ModelServer(
        {
            "GET /props": {
                "default_generation_settings": {"n_ctx": 4096},
                "total_slots": 4,
                "chat_template": "{{ messages }}",
                "chat_template_caps": {"supports_tools": tools},
                "modalities": {"vision": True, "audio": False},
            },
            "GET /v1/models": {"data": [{"id": "tiny", "meta": {"n_ctx": 4096, "n_ctx_train": 131072}}]},
        }
    )


def speaking_openai(key: str, rows: list[dict[str, Any]]) -> ModelServer:
    """A server that lists these models for whoever has the key."""

    def models(asked: Asked) -> Any:
        if asked.headers.get("authorization") != f"Bearer {key}":
            return Refusal(401, {"error": {"message": f"bad key {asked.headers.get('authorization')}"}})
        return {"object": "list", "data": rows}

    return ModelServer({"GET /v1/models": models})
