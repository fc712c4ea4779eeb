"""What the user's file says of servers of models, and of models: tables of which no wrong entry stops anything.

::

    [providers.work]
    base_url = "https://llm.example.com/v1"
    key_env = "WORK_LLM_KEY"
    models = ["big", "small"]

    [models."work:big"]
    window_tokens = 200_000
    input_usd = 2.5
    output_usd = 10

No warning holds a value: it may be a key in the wrong place (promise P13).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from agent_server.config import kinds
from agent_server.config.kinds import Kind, Mismatch, type_given
from agent_server.config.levels import LEVELS

T = TypeVar("T")

FORMATS: Final = ("anthropic", "openai-chat", "openai-responses", "gemini")
RESERVED: Final = frozenset({"offline", "scenario", "catalog"})
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_MAX_MODELS: Final = 200


@dataclass(frozen=True, slots=True)
class ProviderTable:
    """A server of models as the user describes it; what is None stays as it is known, or has its default.

    Attributes:
        key_env: the variables that may hold its key; empty: it needs none, unless it is known to.
        headers: further headers; they may hold secrets.
        models: those to be offered, by the server's own ids; empty: what the server lists.
    """

    base_url: str | None = None
    format: str | None = None
    key_env: tuple[str, ...] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    models: tuple[str, ...] = ()
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelTable:
    """What the user says of a model; it wins over what anybody else says. Prices are for a million tokens."""

    name: str | None = None
    window_tokens: int | None = None
    output_tokens: int | None = None
    efforts: tuple[str, ...] | None = None
    images: bool | None = None
    audio: bool | None = None
    input_usd: float | None = None
    output_usd: float | None = None
    cached_read_usd: float | None = None
    cached_write_usd: float | None = None


def read_providers(value: object) -> tuple[dict[str, ProviderTable], list[str]]:
    """The servers that a table names, and what is wrong with it."""
    return _read(value, "providers", _NAME, _PROVIDER_KINDS, _provider)


def read_models(value: object) -> tuple[dict[str, ModelTable], list[str]]:
    """What a table says of models, and what is wrong with it."""
    return _read(value, "models", re.compile(r"[!-~]+:[!-~]+"), _MODEL_KINDS, lambda _, entries: ModelTable(**entries))


def _read(
    value: object,
    table: str,
    allowed: re.Pattern[str],
    known: Mapping[str, Kind],
    make: Callable[[str, dict[str, Any]], T],
) -> tuple[dict[str, T], list[str]]:
    if not isinstance(value, dict):
        return {}, [f"{table} is ignored: expected tables, got {type_given(value)}"]
    taken: dict[str, T] = {}
    warnings: list[str] = []
    for name, entries in value.items():
        where = f"{table}.{_shown(name)}"
        if not allowed.fullmatch(name) or name in RESERVED:
            warnings.append(f"{where} is ignored: that cannot be its name")
        elif not isinstance(entries, dict):
            warnings.append(f"{where} is ignored: expected a table, got {type_given(entries)}")
        else:
            accepted, wrong = _entries(entries, known)
            warnings += [f"{where}.{problem}" for problem in wrong]
            try:
                taken[name] = make(name, accepted)
            except Mismatch as problem:
                warnings.append(f"{where} is ignored: {problem}")
    return taken, warnings


def _entries(entries: Mapping[str, object], known: Mapping[str, Kind]) -> tuple[dict[str, Any], list[str]]:
    accepted: dict[str, Any] = {}
    wrong: list[str] = []
    for key, value in entries.items():
        kind = known.get(key)
        if kind is None:
            wrong.append(f"{_shown(key)} is ignored: there is no such entry")
            continue
        try:
            accepted[key] = kind.accept(value)
        except Mismatch as given:
            wrong.append(f"{key} is ignored: expected {kind.expected}, got {given}")
    return accepted, wrong


def _provider(name: str, entries: dict[str, Any]) -> ProviderTable:
    from agent_server.config.keys import KEY_VARIABLES, URL_VARIABLES

    known = name in KEY_VARIABLES or name in URL_VARIABLES or name in ("lmstudio", "llamacpp", "vllm")
    if not known and "base_url" not in entries:
        raise Mismatch("a server that is not known here needs a base_url")
    return ProviderTable(**entries)


def _shown(key: str) -> str:
    plain = key if key.isascii() and key.isprintable() and len(key) <= 60 and " " not in key else ascii(key)[:57]
    return f'"{plain}"' if ":" in plain or "." in plain else plain


def _url() -> Kind:
    plain = kinds.text()

    def accept(value: object) -> str:
        url = plain.accept(value).rstrip("/")
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits or parts.username or parts.password or parts.query or parts.fragment or not url.isprintable():
            raise Mismatch("some other text")
        return str(url)

    return Kind("a URL of http or https without user, query and fragment", str, accept)


def _words(expected: str, allowed: re.Pattern[str], limit: int) -> Kind:
    """One text or a list of texts, each of which fits."""

    def accept(value: object) -> tuple[str, ...]:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise Mismatch(type_given(value))
        if len(items) > limit or not all(isinstance(item, str) and allowed.fullmatch(item) for item in items):
            raise Mismatch("a list that holds something else")
        return tuple(items)

    return Kind(expected, str, accept)


def _headers() -> Kind:
    def accept(value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise Mismatch(type_given(value))
        for name, text in value.items():
            if not _HEADER.fullmatch(name) or not isinstance(text, str) or not (text.isascii() and text.isprintable()):
                raise Mismatch("a table that holds something else")
        return dict(value)

    return Kind("a table of headers, each a line of printable ASCII", str, accept)


def _price() -> Kind:
    def accept(value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Mismatch(type_given(value))
        if not 0 <= value <= kinds.MAX_DOLLARS:
            raise Mismatch("a number outside of that")
        return float(value)

    return Kind(f"dollars for a million tokens, 0 to {kinds.MAX_DOLLARS}", float, accept)


_PROVIDER_KINDS: Final[dict[str, Kind]] = {
    "base_url": _url(),
    "format": kinds.choice(*FORMATS),
    "key_env": _words("a name of a variable, or a list of some", _VARIABLE, 9),
    "headers": _headers(),
    "models": _words(f"a list of at most {_MAX_MODELS} names of models", re.compile(r"[!-~]{1,200}"), _MAX_MODELS),
    "quirks": _words("a list of words", _WORD, 20),
}
_MODEL_KINDS: Final[dict[str, Kind]] = {
    "name": kinds.text(),
    "window_tokens": kinds.whole(1, "tokens"),
    "output_tokens": kinds.whole(1, "tokens"),
    "efforts": _words(
        f"a list of some of {', '.join(LEVELS[1:])}", re.compile("|".join(LEVELS[1:])), len(LEVELS)
    ),
    "images": kinds.flag(),
    "audio": kinds.flag(),
    "input_usd": _price(),
    "output_usd": _price(),
    "cached_read_usd": _price(),
    "cached_write_usd": _price(),
}
