"""``agent-server models``: what can be asked now, and what is known of it."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from agent_server.config.settings import SettingsError, resolve

if TYPE_CHECKING:
    import argparse

    from agent_server.providers.provider import ModelInfo

DONE: Final = 0
USAGE: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``models``."""
    parser.add_argument("--online", action="store_true", help="ask the providers which models they have now")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run_models(options: argparse.Namespace) -> int:
    """List the models; the exit code."""
    try:
        models = asyncio.run(_models(online=options.online))
    except SettingsError as error:
        print(f"agent-server models: {error}", file=sys.stderr)
        return USAGE
    for index, info in enumerate(models):
        print(json.dumps(_described(info, first=not index)) if options.json else _line(info, first=not index))
    return DONE


async def _models(*, online: bool) -> list[ModelInfo]:
    from agent_server.cli.compose import is_catalog, make_provider

    provider = make_provider(resolve().settings)
    if not is_catalog(provider):
        return list(provider.models())
    try:
        if online:
            await provider.refresh(lists=True)
        else:
            await provider.look_around()
        return list(provider.models())
    finally:
        await provider.aclose()


def _line(info: ModelInfo, *, first: bool) -> str:
    known = []
    if info.window_tokens is not None:
        known.append(f"{info.window_tokens} tokens")
    if info.price is not None:
        known.append(f"${info.price.input_usd:g} in, ${info.price.output_usd:g} out per million")
    if info.efforts:
        known.append(f"reasoning {', '.join(info.efforts)}")
    return f"{'*' if first else ' '} {info.id:40} {'; '.join(known)}".rstrip()


def _described(info: ModelInfo, *, first: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": info.id,
        "name": info.name,
        "provider": info.provider or None,
        "windowTokens": info.window_tokens,
        "outputTokens": info.output_tokens,
        "efforts": list(info.efforts),
        "inputUsd": info.price.input_usd if info.price else None,
        "outputUsd": info.price.output_usd if info.price else None,
        "default": first,
    }
    return {key: value for key, value in told.items() if value is not None}
