"""What OpenAI's formats, and the servers that speak them, say of tokens and of money. Pure."""

from __future__ import annotations

from typing import Any

from agent_server.providers.provider import UsageSoFar


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


def _count(usage: dict[str, Any], name: str) -> int:
    count = usage.get(name)
    return max(0, int(count)) if isinstance(count, int | float) else 0


def _cost(usage: dict[str, Any]) -> float | None:
    """OpenRouter's price; who brought a key of their own pays the server behind it as well."""
    cost = usage.get("cost")
    if not isinstance(cost, int | float):
        return None
    behind = _details(usage, "cost_details").get("upstream_inference_cost") if usage.get("is_byok") is True else None
    return float(cost) + (float(behind) if isinstance(behind, int | float) else 0.0)
