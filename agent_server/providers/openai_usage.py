"""What OpenAI's formats, and the servers that speak them, say of tokens and of money. Pure."""

from __future__ import annotations

from typing import Any, Final

from agent_server.providers.json_reading import count_in as _count
from agent_server.providers.provider import UsageSoFar

MAX_DOLLARS: Final = 1e6
"""For one response: what is more is no price."""


def chat_usage(usage: dict[str, Any]) -> UsageSoFar:
    """The usage of Chat Completions.

    Most count the thoughts in what the model wrote. Those that do not give a total that is larger by just these.
    """
    read, written, total = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    of_read, of_written = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    cached = _count(of_read, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
    cached = cached or _count(usage, "cached_tokens")
    thoughts = _count(of_written, "reasoning_tokens")
    beyond = total - read - written
    if beyond > 0 and (thoughts == beyond or not (thoughts or cached)):
        written, thoughts = written + beyond, beyond
    stored = _count(of_read, "cache_write_tokens")
    return UsageSoFar(read, written, cached, stored, thoughts, _cost(usage))


def responses_usage(usage: dict[str, Any]) -> UsageSoFar:
    """The usage of Responses."""
    of_read, of_written = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
    return UsageSoFar(
        _count(usage, "input_tokens"),
        _count(usage, "output_tokens"),
        _count(of_read, "cached_tokens"),
        _count(of_read, "cache_write_tokens"),
        _count(of_written, "reasoning_tokens"),
        _cost(usage),
    )


def _details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    details = usage.get(name)
    return details if type(details) is dict else {}


def _cost(usage: dict[str, Any]) -> float | None:
    """OpenRouter's price; who brought a key of their own pays the server behind it as well."""
    cost = _dollars(usage.get("cost"))
    if cost is None or usage.get("is_byok") is not True:
        return cost
    return cost + (_dollars(_details(usage, "cost_details").get("upstream_inference_cost")) or 0.0)


def _dollars(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_DOLLARS:
        return None
    return float(value)
