"""Servers of this machine are taken for what they say they are, and nobody else is asked anything."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from agent_server.config.settings import Settings
from agent_server.providers.known import ENDPOINTS, BadAddress, address_in, endpoint_named, is_here
from agent_server.providers.listing import ListedModel
from agent_server.providers.local_ports import may_listen
from agent_server.providers.local_servers import PROBE_S, LocalServer, identified
from agent_server.providers.outside import Network

from .model_servers import ModelServer, llamacpp, lmstudio, ollama, qwen, speaking_openai

WAIT_S = 20


def found(**servers: ModelServer) -> dict[str, tuple[ListedModel, ...]]:
    """Who of these servers is what the name says, and what it has."""

    async def look() -> list[LocalServer]:
        network = Network(Settings())
        wanted = [replace(ENDPOINTS[name], base_url=f"{server.url}/v1") for name, server in servers.items()]
        try:
            await network.ask(wanted[0], f"{wanted[0].base_url}/x", None, body=None, timeout_s=5)  # loads httpx
        except Exception:
            pass
        for server in servers.values():
            server.asked.clear()

        def ask_of(endpoint: Any) -> Callable[..., Any]:
            return lambda url, body: network.ask(endpoint, url, None, body=body, timeout_s=PROBE_S * 8)

        try:
            return await identified([(endpoint, ask_of(endpoint)) for endpoint in wanted])
        finally:
            await network.aclose()

    with ExitStack() as stack:
        for server in servers.values():
            stack.enter_context(server.running())
        return {one.endpoint.name: one.models for one in asyncio.run(asyncio.wait_for(look(), WAIT_S))}


def test_ollama_says_who_it_is_what_its_models_can_do_and_how_much_they_read() -> None:
    server = ollama(
        qwen3_8b=qwen("tools", "thinking"),
        llava_7b=qwen("vision", parameters='stop "x"\nnum_ctx                        8192\n'),
        embed_1=qwen() | {"capabilities": ["embedding"]},
        old_1={"details": {}},
    )
    server.routes["GET /api/ps"] = {"models": [{"name": "qwen3:8b", "context_length": 16384}]}
    models = {model.id: model for model in found(ollama=server)["ollama"]}
    assert set(models) == {"qwen3:8b", "llava:7b"}
    talker, seer = models["qwen3:8b"], models["llava:7b"]
    assert (talker.window_tokens, talker.tools, talker.images, talker.description) == (16384, True, False, None)
    assert (seer.window_tokens, seer.tools, seer.images, seer.description) == (8192, False, True, None)


def test_a_window_that_ollama_may_not_give_is_told_as_such() -> None:
    (model,) = found(ollama=ollama(qwen3_8b=qwen("tools")))["ollama"]
    assert model.window_tokens == 40960
    assert "num_ctx" in (model.description or "")


def test_lm_studio_lists_its_models_with_the_context_that_they_are_loaded_with() -> None:
    loaded, other = found(lmstudio=lmstudio())["lmstudio"]
    assert loaded == ListedModel("qwen/qwen3-4b", "Qwen3 4B", 8192, images=False, audio=False, tools=True)
    assert other == ListedModel("gemma", "Gemma", 32768, images=True, audio=False, tools=False)


@pytest.mark.parametrize("tools", [True, False])
def test_llama_cpp_has_one_model_and_says_whether_it_takes_tools(tools: bool) -> None:
    (model,) = found(llamacpp=llamacpp(tools=tools))["llamacpp"]
    assert (model.id, model.window_tokens, model.tools, model.images) == ("tiny", 4096, tools, True)


def test_several_servers_are_found_side_by_side() -> None:
    servers = {"ollama": ollama(a_1=qwen("tools")), "lmstudio": lmstudio(), "llamacpp": llamacpp()}
    assert list(found(**servers)) == ["ollama", "lmstudio", "llamacpp"]


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "llamacpp"])
@pytest.mark.parametrize("answer", [{}, [], "yes", None, {"version": 1}, {"models": [1]}, {"models": None}])
def test_a_port_that_does_not_say_who_it_is_is_asked_that_one_question_and_no_more(name: str, answer: Any) -> None:
    question = {"ollama": "GET /api/version", "lmstudio": "GET /api/v1/models", "llamacpp": "GET /props"}[name]
    server = ModelServer({question: answer})
    assert found(**{name: server}) == {}
    assert server.paths() == [question]


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "llamacpp"])
def test_somebody_elses_server_is_left_alone(name: str) -> None:
    server = speaking_openai("key", [{"id": "secret-model"}])
    assert found(**{name: server}) == {}
    assert len(server.asked) == 1


@pytest.mark.parametrize("taken_for", ["ollama", "lmstudio", "llamacpp"])
def test_one_known_server_is_not_taken_for_another(taken_for: str) -> None:
    makers = {"ollama": lambda: ollama(a_1=qwen("tools")), "lmstudio": lmstudio, "llamacpp": llamacpp}
    del makers[taken_for]
    for make in makers.values():
        assert found(**{taken_for: make()}) == {}


def test_whether_somebody_may_listen_is_known_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert may_listen(port)
    assert not may_listen(port)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:9", "http://127.0.0.1:9/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box.lan", "http://box.lan:11434/v1"),
        ("https://box.lan", "https://box.lan:443/v1"),
        ("http://localhost:1/v1/", "http://localhost:1/v1"),
        ("[::1]:5", "http://[::1]:5/v1"),
    ],
)
def test_ollamas_own_variable_is_read_as_ollama_reads_it(text: str, url: str) -> None:
    assert address_in("OLLAMA_HOST", text) == url


@pytest.mark.parametrize(
    "text", ["http://", "ftp://h", "http://u:p@h", "http://h?x", "http://h:99999", "a b", "http://h\n/"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        address_in("OPENAI_BASE_URL", text)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True), ("http://127.0.0.1", True), ("http://127.9.9.9:1", True),
        ("http://[::1]:1", True), ("http://127.0.0.1.example.com", False), ("http://box.lan", False),
        ("http://10.0.0.1", False),
    ],
)  # fmt: skip
def test_only_the_loopback_is_here(url: str, here: bool) -> None:
    assert is_here(url) is here


def test_who_stands_in_openais_place_is_spoken_to_in_the_format_that_everybody_knows() -> None:
    usual, moved = (
        endpoint_named("openai", environment) for environment in ({}, {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"})
    )
    assert usual is not None
    assert moved is not None
    assert (usual.format, usual.local) == ("openai-responses", False)
    assert (moved.format, moved.local, moved.base_url) == ("openai-chat", True, "http://127.0.0.1:8000/v1")
