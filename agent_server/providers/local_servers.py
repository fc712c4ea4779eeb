"""Servers of models on this machine: who listens where, and what it is.

Only the loopback is ever looked at. A port that does not identify itself as one of the servers that are known here is
left alone: it is sent nothing but the one question who it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from agent_server.providers.listing import MAX_ID_CHARS, ListedModel, listed_models
from agent_server.providers.wire import Endpoint

PROBE_S: Final = 0.25
"""How long a server may take for each answer while it is looked for."""

CONNECT_S: Final = 3.0
"""How long it may take to be reached on another machine, where the user says that it is there."""

MAX_LISTED: Final = 1000
MAX_SHOWN: Final = 40
"""How many of its models Ollama is asked about."""

Ask: TypeAlias = Callable[[str, dict[str, Any] | None], Awaitable[Any]]
"""Asks a URL, with a body to post or None to get, for JSON; raises where there is none in time."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that said what it is, and its models as it describes them."""

    endpoint: Endpoint
    models: tuple[ListedModel, ...] = ()


async def identified(endpoints: Sequence[tuple[Endpoint, Ask]]) -> list[LocalServer]:
    """Those endpoints that are what they are taken for, with their models; in the order given. All are asked at once,
    each in its own way.
    """
    found = await asyncio.gather(*(_identify(endpoint, ask) for endpoint, ask in endpoints))
    return [server for server in found if server is not None]


async def _identify(endpoint: Endpoint, ask: Ask) -> LocalServer | None:
    try:
        if not await _connects(endpoint):
            return None
        models = await _WHO[endpoint.name](endpoint, ask)
    except Exception:  # noqa: BLE001  # whatever listens there may answer anything: it is not what we look for
        return None
    if models is None:
        return None
    return LocalServer(endpoint, tuple(model for model in models[:MAX_LISTED] if _may_be_shown(model)))


def _may_be_shown(model: ListedModel) -> bool:
    return 0 < len(model.id) <= MAX_ID_CHARS and model.id.isprintable() and " " not in model.id


async def _connects(endpoint: Endpoint) -> bool:
    parts = urlsplit(endpoint.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        within_s = PROBE_S if endpoint.local else CONNECT_S
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), within_s)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _root(endpoint: Endpoint) -> str:
    """The server's own root: its models are served below it, at /v1."""
    return endpoint.base_url.removesuffix("/v1")


async def _ollama(endpoint: Endpoint, ask: Ask) -> tuple[ListedModel, ...] | None:
    root = _root(endpoint)
    version = await ask(f"{root}/api/version", None)
    if not isinstance(version, dict) or not isinstance(version.get("version"), str):
        return None
    tags = await ask(f"{root}/api/tags", None)
    names = [row["name"] for row in tags["models"] if isinstance(row, dict) and isinstance(row.get("name"), str)]
    loaded = await _loaded_windows(root, ask)
    shown = await asyncio.gather(*(_shown(root, name, ask) for name in names[:MAX_SHOWN]))
    models = [_with_window(model, loaded.get(model.id)) for model in shown]
    return tuple(model for model in models if model.tools is not None)  # None: it is no model to talk with


async def _loaded_windows(root: str, ask: Ask) -> dict[str, int]:
    """The context that the models have which are in memory now."""
    try:
        rows = (await ask(f"{root}/api/ps", None))["models"]
        return {row["name"]: row["context_length"] for row in rows if type(row.get("context_length")) is int}
    except Exception:  # noqa: BLE001  # old versions do not say
        return {}


def _with_window(model: ListedModel, loaded: int | None) -> ListedModel:
    return model if loaded is None else replace(model, window_tokens=loaded, description=None)


async def _shown(root: str, name: str, ask: Ask) -> ListedModel:
    """What Ollama says of a model; ``tools`` is None where it is none to talk with, or says nothing."""
    try:
        said = await ask(f"{root}/api/show", {"model": name})
        can = said.get("capabilities")
    except Exception:  # noqa: BLE001
        return ListedModel(name)
    if not isinstance(can, list) or "completion" not in can:
        return ListedModel(name)
    chosen = re.search(r"^num_ctx\s+(\d{1,9})\s*$", str(said.get("parameters") or ""), re.MULTILINE)
    sizes = [size for key, size in (said.get("model_info") or {}).items() if key.endswith(".context_length")]
    window = int(chosen[1]) if chosen else next((size for size in sizes if type(size) is int), None)
    return ListedModel(
        name,
        window_tokens=window,
        images="vision" in can,
        audio=False,
        tools="tools" in can,
        description=None if chosen else "Ollama may give it less context than this: see num_ctx",
    )


async def _lmstudio(endpoint: Endpoint, ask: Ask) -> tuple[ListedModel, ...] | None:
    rows = (await ask(f"{_root(endpoint)}/api/v1/models", None))["models"]
    if not all(isinstance(row, dict) and "key" in row and "type" in row for row in rows):
        return None
    return tuple(_of_lmstudio(row) for row in rows if row["type"] in ("llm", "vlm"))


def _of_lmstudio(row: Mapping[str, Any]) -> ListedModel:
    can, loaded = row.get("capabilities") or {}, row.get("loaded_instances") or []
    windows = [instance.get("config", {}).get("context_length") for instance in loaded]
    window = next((size for size in (*windows, row.get("max_context_length")) if type(size) is int), None)
    name = row.get("display_name")
    return ListedModel(
        str(row["key"]),
        name if isinstance(name, str) and name.isprintable() else None,
        window_tokens=window,
        images=can.get("vision") is True,
        audio=False,
        tools=can.get("trained_for_tool_use") is True,
    )


async def _llamacpp(endpoint: Endpoint, ask: Ask) -> tuple[ListedModel, ...] | None:
    props = await ask(f"{_root(endpoint)}/props", None)
    if not isinstance(props, dict) or "default_generation_settings" not in props:
        return None
    template, caps = props.get("chat_template"), props.get("chat_template_caps")
    tools = isinstance(template, str) and "tools" in template
    if isinstance(caps, dict) and isinstance(caps.get("supports_tools"), bool):
        tools = caps["supports_tools"]
    per_slot = props["default_generation_settings"].get("n_ctx")
    window = per_slot if type(per_slot) is int and per_slot > 0 else None
    senses = props.get("modalities") or {}
    listed = listed_models(endpoint, await ask(f"{endpoint.base_url}/models", None))
    return tuple(
        replace(
            model,
            window_tokens=window or model.window_tokens,
            images=senses.get("vision") is True,
            audio=senses.get("audio") is True,
            tools=tools,
        )
        for model in listed
    )


_WHO: Final[dict[str, Callable[[Endpoint, Ask], Awaitable[tuple[ListedModel, ...] | None]]]] = {
    "ollama": _ollama,
    "lmstudio": _lmstudio,
    "llamacpp": _llamacpp,
}
