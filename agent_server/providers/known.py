"""The servers of models that are known here: where they are, what they speak, and what each does otherwise.

The quirk words are those of the formats (`anthropic`, `gemini`, `openai_chat`, `openai_responses`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agent_server.config.keys import KEY_VARIABLES, URL_VARIABLES
from agent_server.providers.wire import Endpoint

if TYPE_CHECKING:
    from agent_server.config.tables import ProviderTable

OPENAI_HOST: Final = "api.openai.com"
LOCAL_SERVERS: Final = ("ollama", "lmstudio", "llamacpp")
"""Those that are looked for on this machine, the likeliest first."""

_LOOPBACK: Final = re.compile(r"127(?:\.\d{1,3}){3}")


def _known(name: str, title: str, wire: str, base_url: str, *quirks: str) -> Endpoint:
    variables = KEY_VARIABLES.get(name, ())
    return Endpoint(
        name,
        wire,
        base_url,
        title,
        quirks=frozenset(quirks),
        key_variables=variables,
        needs_key=bool(variables),
        local=not variables,
    )


ENDPOINTS: Final[dict[str, Endpoint]] = {
    endpoint.name: endpoint
    for endpoint in (
        _known("anthropic", "Anthropic", "anthropic", "https://api.anthropic.com"),
        _known("openai", "OpenAI", "openai-responses", "https://api.openai.com/v1"),
        _known("gemini", "Google Gemini", "gemini", "https://generativelanguage.googleapis.com"),
        _known("openrouter", "OpenRouter", "openai-chat", "https://openrouter.ai/api/v1", "openrouter-reasoning"),
        _known("mistral", "Mistral", "openai-chat", "https://api.mistral.ai/v1", "short-call-ids", "no-stream-options"),
        _known("deepseek", "DeepSeek", "openai-chat", "https://api.deepseek.com", "send-reasoning"),
        _known("xai", "xAI", "openai-chat", "https://api.x.ai/v1"),
        _known("groq", "Groq", "openai-chat", "https://api.groq.com/openai/v1"),
        _known("moonshot", "Moonshot", "openai-chat", "https://api.moonshot.ai/v1", "send-reasoning"),
        _known("zai", "Z.ai", "openai-chat", "https://api.z.ai/api/paas/v4", "send-reasoning"),
        _known("ollama", "Ollama", "openai-chat", "http://127.0.0.1:11434/v1"),
        _known("lmstudio", "LM Studio", "openai-chat", "http://127.0.0.1:1234/v1"),
        _known("llamacpp", "llama.cpp", "openai-chat", "http://127.0.0.1:8080/v1"),
        _known("vllm", "vLLM", "openai-chat", "http://127.0.0.1:8000/v1"),
    )
}

DEFAULT_MODELS: Final[dict[str, str]] = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-6.1-sol",
    "gemini": "gemini-3.8-flash",
    "openrouter": "openrouter/auto",
    "mistral": "mistral-medium-latest",
    "deepseek": "deepseek-v4-pro",
    "xai": "grok-4.7",
    "groq": "openai/gpt-oss-120b",
    "moonshot": "kimi-k3",
    "zai": "glm-5.3",
}
"""The model that a provider begins with, if nobody chose one."""


class BadAddress(ValueError):
    """A variable that says where a server is does not hold a URL; the text names it, and not what it holds."""


def endpoint_named(name: str, environment: Mapping[str, str], table: ProviderTable | None = None) -> Endpoint | None:
    """Where the models of a provider are served: as the user's file says, else a variable, else as is usual.

    None: there is no provider of that name.

    Raises:
        BadAddress: the variable with the address holds none.
    """
    endpoint = ENDPOINTS.get(name)
    if endpoint is None and (table is None or table.base_url is None):
        return None
    if endpoint is None:
        endpoint = Endpoint(name, "openai-chat", "", name, needs_key=False)
    variable = URL_VARIABLES.get(name)
    if table is not None and table.base_url is not None:
        endpoint = _moved(endpoint, table.base_url)
    elif variable is not None and environment.get(variable, "").strip():
        endpoint = _moved(endpoint, address_in(variable, environment[variable]))
    return endpoint if table is None else _as_the_user_says(endpoint, table)


def address_in(variable: str, text: str) -> str:
    """The base URL that a variable says. Ollama's may be a host and a port only, or where it listens.

    Raises:
        BadAddress: it is no address.
    """
    from urllib.parse import urlsplit

    text = text.strip().rstrip("/")
    ollama = variable == URL_VARIABLES["ollama"]
    if ollama and "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadAddress(f"{variable} holds no address") from None
    if parts.scheme not in ("http", "https") or not host or not text.isascii() or not text.isprintable():
        raise BadAddress(f"{variable} holds no address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadAddress(f"{variable} holds more than an address")
    if not ollama:
        return text
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  # it listens everywhere: ask it here
    host = f"[{host}]" if ":" in host else host
    path = parts.path if parts.path.endswith("/v1") else f"{parts.path}/v1"
    return f"{parts.scheme}://{host}:{port or (443 if parts.scheme == 'https' else 11434)}{path}"


def is_here(base_url: str) -> bool:
    """Whether an address is on this machine's own loopback."""
    from urllib.parse import urlsplit

    host = urlsplit(base_url).hostname or ""
    return host in ("localhost", "::1") or _LOOPBACK.fullmatch(host) is not None


def _moved(endpoint: Endpoint, base_url: str) -> Endpoint:
    from urllib.parse import urlsplit  # most people's servers are where they always are

    endpoint = replace(endpoint, base_url=base_url, local=is_here(base_url))
    if endpoint.name == "openai" and urlsplit(base_url).hostname != OPENAI_HOST:
        # Others that stand in its place speak the older format, and know none of its newer fields.
        return replace(endpoint, format="openai-chat", quirks=frozenset())
    return endpoint


def _as_the_user_says(endpoint: Endpoint, table: ProviderTable) -> Endpoint:
    if table.format is not None:
        endpoint = replace(endpoint, format=table.format)
    if table.key_env is not None:
        endpoint = replace(endpoint, key_variables=table.key_env, needs_key=bool(table.key_env))
    return replace(
        endpoint,
        headers={**endpoint.headers, **table.headers},
        quirks=frozenset(table.quirks) or endpoint.quirks,
    )
