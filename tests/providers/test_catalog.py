"""Which models are offered, by what is configured; nothing here leaves the loopback."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from agent_server.config.settings import Settings
from agent_server.config.tables import ModelTable, ProviderTable
from agent_server.providers.catalog import Catalog
from agent_server.providers.choice import MAX_MODELS, UnknownModel
from agent_server.providers.known import DEFAULT_MODELS
from agent_server.providers.provider import Price

from .model_servers import ModelServer, ollama, qwen, speaking_openai

KEY = "sk-canary-90f2"
WAIT_S = 20
ALONE = Settings(local_models=False)


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}


def ids(catalog: Catalog, provider: str | None = None) -> list[str]:
    return [info.id for info in catalog.models() if provider is None or info.provider == provider]


def store(home: Mapping[str, str], **keys: str) -> None:
    given = Catalog(ALONE, home)
    for name, key in keys.items():
        given.credentials.store(name, key)


def work(url: str, **more: Any) -> dict[str, ProviderTable]:
    return {"work": ProviderTable(f"{url}/v1", key_env=("WORK_KEY",), **more)}


# What is configured


def test_with_nothing_configured_there_is_offline_and_it_is_ready(home: Mapping[str, str]) -> None:
    catalog = Catalog(ALONE, home)
    assert ids(catalog) == ["offline"]
    assert (catalog.ready, catalog.configured, catalog.system_prompts) == (True, False, False)
    assert catalog.provider_of("offline").id == "offline"
    assert (catalog.id, catalog.source) == ("catalog", "builtin")
    assert catalog.commands() == catalog.provider_of("offline").commands()


def test_a_key_in_the_environment_wins_over_one_in_the_file_and_offline_is_last(home: Mapping[str, str]) -> None:
    store(home, anthropic="of-the-file", mistral="of-the-file")
    catalog = Catalog(ALONE, {**home, "MISTRAL_API_KEY": "of-the-environment"})
    providers = list(dict.fromkeys(info.provider for info in catalog.models()))
    assert providers == ["mistral", "anthropic", "offline"]
    assert catalog.default_model == f"mistral:{DEFAULT_MODELS['mistral']}"
    assert ids(catalog)[-1] == "offline"
    sources = {state.id: state.source for state in catalog.key_states() if state.configured}
    assert sources == {"mistral": "environment", "anthropic": "file"}
    assert catalog.system_prompts
    assert catalog.commands() == ()


@pytest.mark.parametrize("name", sorted(DEFAULT_MODELS))
def test_each_known_provider_begins_with_a_model_that_it_has(home: Mapping[str, str], name: str) -> None:
    store(home, **{name: KEY})
    catalog = Catalog(ALONE, home)
    assert catalog.default_model == f"{name}:{DEFAULT_MODELS[name]}"
    info = catalog.models()[0]
    assert name == "openrouter" or (info.window_tokens or 0) >= 100_000
    assert len(ids(catalog)) == len(set(ids(catalog)))


def test_what_the_user_names_comes_first_in_whatever_way_it_is_named(home: Mapping[str, str]) -> None:
    keys = {**home, "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    for text, first in (
        ("anthropic:claude-opus-5-5", "anthropic:claude-opus-5-5"),
        ("claude-opus-5-5", "anthropic:claude-opus-5-5"),
        ("openai", f"openai:{DEFAULT_MODELS['openai']}"),
        ("openai:of-tomorrow", "openai:of-tomorrow"),
        ("ollama:qwen3:8b", "ollama:qwen3:8b"),
    ):
        catalog = Catalog(Settings(model=text, local_models=False), keys)
        assert catalog.default_model == first
        assert len(set(ids(catalog))) == len(ids(catalog)) > 2


@pytest.mark.promise("P13")
@pytest.mark.parametrize("text", [KEY, "nobody:model", "openai:", ":x", "scenario", ""])
def test_what_names_no_model_is_refused_without_being_repeated(home: Mapping[str, str], text: str) -> None:
    with pytest.raises(UnknownModel) as refused:
        Catalog(Settings(model=text, local_models=False), home)
    assert "canary" not in str(refused.value)


def test_a_chosen_model_whose_key_is_missing_is_offered_and_known_to_miss_it(home: Mapping[str, str]) -> None:
    catalog = Catalog(Settings(model="anthropic", local_models=False), {**home, "OPENAI_API_KEY": KEY})
    assert ids(catalog, "anthropic") == [catalog.default_model] == [f"anthropic:{DEFAULT_MODELS['anthropic']}"]
    assert catalog.missing_key(catalog.default_model)
    assert not catalog.missing_key("openai:gpt-5")
    assert not catalog.missing_key("offline")
    assert catalog.takes_key(catalog.default_model)


def test_the_rotation_names_models_with_and_without_levels(home: Mapping[str, str]) -> None:
    rotation = ("openai:gpt-5:low", "claude-opus-5-5", "gpt-6-sol:high", "anthropic")
    keys = {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY}
    catalog = Catalog(Settings(rotation=rotation, local_models=False), {**home, **keys})
    assert catalog.rotation() == (
        ("openai:gpt-5", "low"),
        ("anthropic:claude-opus-5-5", None),
        ("openai:gpt-6-sol", "high"),
        (f"anthropic:{DEFAULT_MODELS['anthropic']}", None),
    )
    with pytest.raises(UnknownModel):
        Catalog(Settings(rotation=("nobody:x",)), home)


def test_what_the_user_says_of_a_model_wins_over_what_is_known(home: Mapping[str, str]) -> None:
    table = ModelTable(name="Mine", window_tokens=1000, efforts=(), input_usd=1.0, output_usd=2.0)
    settings = Settings(models={"openai:gpt-5": table}, local_models=False)
    info = Catalog(settings, {**home, "OPENAI_API_KEY": KEY}).info("openai:gpt-5")
    assert info is not None
    assert (info.name, info.window_tokens, info.efforts, info.price) == ("Mine", 1000, (), Price(1.0, 2.0))
    assert info.output_tokens == 128_000


def test_a_model_that_nobody_knows_has_no_window_and_no_price(home: Mapping[str, str]) -> None:
    info = Catalog(Settings(model="openai:of-tomorrow"), {**home, "OPENAI_API_KEY": KEY}).models()[0]
    assert (info.window_tokens, info.price, info.efforts, info.output_tokens) == (None, None, (), None)


def test_whoever_stands_in_a_providers_place_has_no_price_of_its_own(home: Mapping[str, str]) -> None:
    environment = {**home, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://gateway.example.com/v1/"}
    catalog = Catalog(ALONE, environment)
    assert {info.price for info in catalog.models()} == {None}
    assert Catalog(ALONE, {**home, "OPENAI_API_KEY": KEY}).models()[0].price is not None


@pytest.mark.promise("P13")
def test_an_address_that_is_none_makes_its_provider_unusable_and_is_not_repeated(home: Mapping[str, str]) -> None:
    catalog = Catalog(ALONE, {**home, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"https://u:{KEY}@h/"})
    assert ids(catalog) == ["offline"]
    (problem,) = catalog.problems()
    assert "OPENAI_BASE_URL" in problem
    assert "canary" not in problem


def test_a_project_may_choose_among_what_is_offered_and_nothing_else(home: Mapping[str, str]) -> None:
    catalog = Catalog(ALONE, {**home, "OPENAI_API_KEY": KEY})
    assert catalog.offered("gpt-5") == catalog.offered("openai:gpt-5") == "openai:gpt-5"
    assert catalog.offered("openai") == catalog.default_model
    assert catalog.offered("offline") == "offline"
    for text in ("openai:of-tomorrow", "anthropic", "claude-opus-5-5", "ollama:x", "scenario:x.json", "", KEY):
        assert catalog.offered(text) is None


def test_nothing_is_loaded_for_models_where_there_are_none(home: Mapping[str, str]) -> None:
    code = (
        "import sys, asyncio, agent_server.providers.catalog as c; from agent_server.config.settings import Settings\n"
        "before = set(sys.modules)\n"
        "async def work():\n"
        "    catalog = c.Catalog(Settings(local_models=False)); catalog.watch(lambda: None)\n"
        "    catalog.models(), catalog.provider_of('offline')\n"
        "asyncio.run(work())\n"
        "print([n for n in set(sys.modules) - before if n.startswith(('agent_server.providers', 'httpx', 'tomllib'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True, env=dict(home)
    )
    assert done.stdout == "[]\n"


# What changes


@pytest.mark.promise("P13")
def test_a_key_that_turns_up_is_found_by_a_refresh_and_whoever_watches_is_told(home: Mapping[str, str]) -> None:
    async def work() -> None:
        catalog = Catalog(ALONE, home, outside=NoNetwork())
        heard: list[str] = []
        stop = catalog.watch(lambda: heard.append(catalog.default_model))
        assert not await catalog.refresh()
        store(home, deepseek=KEY)
        assert await catalog.refresh()
        assert heard == [f"deepseek:{DEFAULT_MODELS['deepseek']}"]
        catalog.credentials.forget("deepseek")
        assert not await catalog.refresh()
        assert heard[1:] == ["offline"]
        stop()
        store(home, deepseek=KEY)
        assert await catalog.refresh()
        assert len(heard) == 2
        await catalog.aclose()

    asyncio.run(asyncio.wait_for(work(), WAIT_S))


class NoNetwork:
    """Nobody can be reached."""

    def backend(self, *_: Any) -> Any:
        raise AssertionError("nobody is asked for responses here")

    async def ask(self, *_: Any, **__: Any) -> Any:
        from agent_server.errors import ProviderError

        raise ProviderError("unreachable", "there is no network")

    async def aclose(self) -> None:
        pass


# What servers list


ROWS = [
    {"id": "big", "max_model_len": 32768},
    {"id": "no-tools", "supported_parameters": ["temperature"]},
    {"id": "embedder", "architecture": {"output_modalities": ["vector"]}},
    {
        "id": "routed", "name": "Routed: Big", "context_length": 200000,
        "supported_parameters": ["tools", "reasoning"], "top_provider": {"max_completion_tokens": 8000},
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        "pricing": {"prompt": "0.000002", "completion": "0.00001", "input_cache_read": "0.0000002"},
    },
    {"id": "depends", "pricing": {"prompt": "-1", "completion": "-1"}},
    "junk",
    {"no": "id"},
]  # fmt: skip


def test_what_a_server_lists_is_offered_with_what_it_says_of_it(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        settings = Settings(providers=work(server.url), local_models=False)
        catalog = Catalog(settings, {**home, "WORK_KEY": KEY})
        assert await catalog.refresh(lists=True)
        assert ids(catalog) == ["work:big", "work:routed", "work:depends", "offline"]
        big, routed, depends, _ = catalog.models()
        assert (big.window_tokens, big.price, big.images) == (32768, None, False)
        assert (routed.name, routed.window_tokens, routed.output_tokens) == ("Routed: Big", 200000, 8000)
        assert routed.price == Price(2.0, 10.0, 0.2)
        assert (routed.images, routed.audio, routed.efforts) == (True, False, ("low", "medium", "high"))
        assert depends.price is None
        await catalog.aclose()

    with speaking_openai(KEY, ROWS).running() as server:  # type: ignore[arg-type]
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))
        assert server.paths() == ["GET /v1/models"]


def test_a_prompt_waits_for_the_list_of_the_only_server_that_there_is(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        catalog = Catalog(Settings(providers=work(server.url), local_models=False), {**home, "WORK_KEY": KEY})
        heard: list[str] = []
        catalog.watch(lambda: heard.append(catalog.default_model))
        offline = catalog.provider_of("offline")
        assert not catalog.ready
        assert not offline.ready
        await offline.wait_ready()
        assert (heard, catalog.ready) == (["work:big"], True)
        await catalog.aclose()

    with speaking_openai(KEY, [{"id": "big"}]).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))


def test_a_list_without_end_is_cut(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        settings = Settings(model="work:last", providers=work(server.url), local_models=False)
        catalog = Catalog(settings, {**home, "WORK_KEY": KEY})
        await catalog.refresh(lists=True)
        assert len(ids(catalog, "work")) == MAX_MODELS
        assert catalog.default_model == "work:last"
        await catalog.aclose()

    with speaking_openai(KEY, [{"id": f"m{number}"} for number in range(1000)]).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))


@pytest.mark.promise("P13")
@pytest.mark.parametrize("body", [{"data": 7}, [], {"error": KEY}, "text", None])
def test_a_server_that_lists_nothing_is_offered_as_the_user_says(home: Mapping[str, str], body: Any) -> None:
    async def work_(server: ModelServer) -> None:
        settings = Settings(providers=work(server.url, models=("mine",)), local_models=False)
        catalog = Catalog(settings, {**home, "WORK_KEY": KEY})
        assert await catalog.refresh(lists=True)
        assert ids(catalog) == ["work:mine", "offline"]
        await catalog.aclose()

    with ModelServer({"GET /v1/models": body}).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))


# Servers of this machine


def with_ollama(server: ModelServer, **settings: Any) -> tuple[Settings, dict[str, str]]:
    return Settings(**settings), {"OLLAMA_HOST": server.place}


@pytest.mark.parametrize(
    ("capabilities", "first"),
    [(("tools",), "ollama:qwen3:8b"), ((), "offline")],
)
def test_a_model_of_this_machine_begins_only_if_it_takes_tools(
    home: Mapping[str, str], capabilities: tuple[str, ...], first: str
) -> None:
    async def work_(server: ModelServer) -> None:
        settings, host = with_ollama(server)
        catalog = Catalog(settings, {**home, **host})
        catalog.watch(lambda: None)
        await catalog.wait_ready()
        assert sorted(ids(catalog)) == ["offline", "ollama:qwen3:8b"]
        assert catalog.default_model == first
        assert catalog.configured
        await catalog.aclose()

    with ollama(qwen3_8b=qwen(*capabilities)).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))


def test_keys_come_before_servers_of_this_machine(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        settings, host = with_ollama(server)
        catalog = Catalog(settings, {**home, **host, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{server.url}/v1"})
        catalog.watch(lambda: None)
        assert catalog.ready
        await catalog.refresh()
        assert catalog.default_model.startswith("openai:")
        assert ids(catalog)[-2:] == ["ollama:qwen3:8b", "offline"]
        await catalog.aclose()

    with ollama(qwen3_8b=qwen("tools")).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))


def test_servers_are_not_looked_for_where_that_was_not_wanted(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        settings, host = with_ollama(server, local_models=False)
        catalog = Catalog(settings, {**home, **host})
        catalog.watch(lambda: None)
        assert catalog.ready
        assert not await catalog.refresh()
        await catalog.aclose()

    with ollama(qwen3_8b=qwen("tools")).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))
        assert server.asked == []


def test_a_chosen_model_of_a_server_that_is_down_is_offered_and_known_better_when_it_is_up(
    home: Mapping[str, str],
) -> None:
    async def work_(server: ModelServer, stack: ExitStack) -> None:
        settings, host = with_ollama(server, model="ollama:qwen3:8b", local_models=False)
        catalog = Catalog(settings, {**home, **host})
        catalog.watch(lambda: None)
        assert catalog.models()[0].window_tokens is None
        server.routes, kept = {}, server.routes
        await catalog.refresh(lists=True)
        assert ids(catalog) == ["ollama:qwen3:8b", "offline"]
        server.routes = kept
        assert await catalog.refresh()
        assert ids(catalog) == ["ollama:qwen3:8b", "offline"]
        assert catalog.models()[0].window_tokens == 40960
        await catalog.aclose()

    with ExitStack() as stack:
        server = stack.enter_context(ollama(qwen3_8b=qwen("tools")).running())
        asyncio.run(asyncio.wait_for(work_(server, stack), WAIT_S))


@pytest.mark.req("ST-13")
def test_a_server_that_says_nothing_holds_a_prompt_up_for_a_moment_only(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> float:
        settings, host = with_ollama(server)
        catalog = Catalog(settings, {**home, **host})
        catalog.watch(lambda: None)
        assert not catalog.ready
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(catalog.provider_of("offline").wait_ready() for _ in range(3)))
        waited_s = loop.time() - began
        assert catalog.ready
        assert ids(catalog) == ["offline"]
        await catalog.aclose()
        return waited_s

    with ModelServer({"GET /api/version": ...}).running() as server:
        waited_s = asyncio.run(asyncio.wait_for(work_(server), WAIT_S))
        assert waited_s < 5
        assert set(server.paths()) <= {"GET /api/version"}


def test_one_who_no_longer_waits_disturbs_nobody(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        settings, host = with_ollama(server)
        catalog = Catalog(settings, {**home, **host})
        catalog.watch(lambda: None)
        waiting = [asyncio.ensure_future(catalog.wait_ready()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await waiting[1]
        assert catalog.default_model == "ollama:qwen3:8b"
        await catalog.aclose()

    with ollama(qwen3_8b=qwen("tools")).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))


def test_the_table_in_the_package_is_small_and_says_where_it_is_from() -> None:
    import agent_server.providers.model_table as module

    path = Path(module.__file__).with_suffix(".json")
    assert path.stat().st_size < 40_000
    assert {"source", "made", "models"} == set(json.loads(path.read_text("utf-8")))


def test_the_model_of_an_older_session_is_known_before_its_server_is_found(home: Mapping[str, str]) -> None:
    async def work_(server: ModelServer) -> None:
        settings, host = with_ollama(server)
        catalog = Catalog(settings, {**home, **host})
        catalog.watch(lambda: None)
        early = catalog.info("ollama:qwen3:8b")
        assert early is not None
        assert catalog.provider_of("ollama:qwen3:8b").id == "ollama"
        assert catalog.info("nobody:x") is None
        await catalog.wait_ready()
        late = catalog.info("ollama:qwen3:8b")
        assert late is not None
        assert (early.window_tokens, late.window_tokens) == (None, 40960)
        await catalog.aclose()

    with ollama(qwen3_8b=qwen("tools")).running() as server:
        asyncio.run(asyncio.wait_for(work_(server), WAIT_S))
