"""What servers answer when they are asked which models they have. Pure.

Every server says something else of its models. What it does not say is not known: no window, no price. Models that
write no text, and those that are known to take no tools, are left out (Req: MO-01).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from agent_server.providers.choice import MAX_MODELS
from agent_server.providers.provider import Price
from agent_server.providers.wire import Endpoint

MAX_ID_CHARS: Final = 200

_NO_CHAT: Final = re.compile(
    r"audio|image|tts|transcribe|realtime|embed|moderation|instruct|dall-e|whisper|sora|babbage|davinci|live|imagen"
    r"|veo|lyria|aqa|robotics|guard|ocr|computer-use|deep-research|search-preview|search-api",
    re.IGNORECASE,
)
_OPENAI_CHAT: Final = re.compile(r"gpt-[4-9]|o\d|codex")
_SNAPSHOT: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its server describes it; None: the server says nothing of it."""

    id: str
    name: str | None = None
    window_tokens: int | None = None
    output_tokens: int | None = None
    images: bool | None = None
    audio: bool | None = None
    tools: bool | None = None
    efforts: tuple[str, ...] | None = None
    price: Price | None = None
    description: str | None = None


def list_path(endpoint: Endpoint) -> str:
    """What is asked for, behind the endpoint's base URL."""
    if endpoint.format == "anthropic":
        return "/v1/models?limit=1000"
    if endpoint.format == "gemini":
        return f"/{'v1' if 'v1' in endpoint.quirks else 'v1beta'}/models?pageSize=1000"
    return "/models"


def check_path(endpoint: Endpoint) -> str:
    """What only who has a key is told, behind the endpoint's base URL: most servers' lists, but not everybody's."""
    return "/key" if endpoint.name == "openrouter" else list_path(endpoint)


def listed_models(endpoint: Endpoint, body: Any) -> tuple[ListedModel, ...]:
    """The models of an answer that an agent can use, in the server's order, at most `MAX_MODELS`.

    Raises:
        ValueError: it is no list of models.
    """
    rows = body.get("models" if endpoint.format == "gemini" else "data") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise ValueError("no list of models")
    read = {"anthropic": _anthropic, "gemini": _gemini}.get(endpoint.format, _openai)
    models: dict[str, ListedModel] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        model = read(row)
        if model is not None and model.tools is not False and _fits(endpoint, model.id):
            models.setdefault(model.id, model)
            if len(models) == 2 * MAX_MODELS:
                break
    return tuple(_without_snapshots(models))[:MAX_MODELS]


def _fits(endpoint: Endpoint, model_id: str) -> bool:
    if not 0 < len(model_id) <= MAX_ID_CHARS or not model_id.isprintable() or " " in model_id:
        return False
    if endpoint.name == "openai" and endpoint.format == "openai-responses":
        return _OPENAI_CHAT.match(model_id) is not None and not _NO_CHAT.search(model_id)
    return endpoint.local or not _NO_CHAT.search(model_id)


def _without_snapshots(models: dict[str, ListedModel]) -> Iterator[ListedModel]:
    """Dated ids only where there is none without the date."""
    for model_id, model in models.items():
        plain = _SNAPSHOT.sub("", model_id)
        if plain == model_id or plain not in models:
            yield model


def _anthropic(row: dict[str, Any]) -> ListedModel | None:
    if row.get("lifecycle") == "retired":
        return None
    capabilities = _table(row.get("capabilities"))
    effort = _table(capabilities.get("effort"))
    levels = tuple(word for word in ("low", "medium", "high", "xhigh", "max") if _supported(effort.get(word)))
    return ListedModel(
        _id(row.get("id")),
        _text(row.get("display_name")),
        _count(row.get("max_input_tokens")),
        _count(row.get("max_tokens")),
        images=_supported(capabilities.get("image_input")),
        efforts=levels or None,
    )


def _gemini(row: dict[str, Any]) -> ListedModel | None:
    methods = row.get("supportedGenerationMethods", row.get("supportedActions"))
    if isinstance(methods, list) and "generateContent" not in methods:
        return None
    return ListedModel(
        _id(row.get("name")).removeprefix("models/"),
        _text(row.get("displayName")),
        _count(row.get("inputTokenLimit")),
        _count(row.get("outputTokenLimit")),
        efforts=() if row.get("thinking") is False else None,
    )


def _openai(row: dict[str, Any]) -> ListedModel | None:
    """One of the many that speak OpenAI's format: each says more in words of its own."""
    if row.get("active") is False or row.get("archived") is True:
        return None
    capabilities = _table(row.get("capabilities"))
    if capabilities.get("completion_chat") is False:  # Mistral
        return None
    architecture, parameters = _table(row.get("architecture")), row.get("supported_parameters")
    inputs, outputs = architecture.get("input_modalities"), architecture.get("output_modalities")
    if isinstance(outputs, list) and "text" not in outputs:
        return None
    windows = ("context_length", "context_window", "max_model_len", "max_context_length", "max_input_tokens")
    meta, top = _table(row.get("meta")), _table(row.get("top_provider"))
    tools = capabilities.get("function_calling")
    if isinstance(parameters, list):  # OpenRouter
        tools = "tools" in parameters
    return ListedModel(
        _id(row.get("id")),
        _text(row.get("name")) if row.get("name") != row.get("id") else None,
        _count(meta.get("n_ctx")) or next((count for key in windows if (count := _count(row.get(key)))), None),
        _count(row.get("max_completion_tokens")) or _count(top.get("max_completion_tokens")),
        images="image" in inputs if isinstance(inputs, list) else _flag(capabilities.get("vision")),
        audio="audio" in inputs if isinstance(inputs, list) else None,
        tools=_flag(tools),
        efforts=(() if "reasoning" not in parameters else ("low", "medium", "high"))
        if isinstance(parameters, list)
        else None,
        price=_price(_table(row.get("pricing"))),
    )


def _price(pricing: dict[str, Any]) -> Price | None:
    """OpenRouter's prices: texts, in dollars a token; below zero where it depends."""
    read, written = (_dollars(pricing.get(name)) for name in ("prompt", "completion"))
    if read is None or written is None:
        return None
    cached_read, cached_written = (_dollars(pricing.get(name)) for name in ("input_cache_read", "input_cache_write"))
    return Price(read, written, cached_read, cached_written)


def _dollars(value: Any) -> float | None:
    try:
        price = float(value)
    except (TypeError, ValueError):
        return None
    return float(f"{price * 1e6:.6g}") if 0 <= price < 1 else None


def _supported(value: Any) -> bool | None:
    return _flag(_table(value).get("supported"))


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**31 else None


def _id(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text(value: Any) -> str | None:
    """A name that may be shown, or nothing."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        return None
    return value.strip()[:MAX_ID_CHARS]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
