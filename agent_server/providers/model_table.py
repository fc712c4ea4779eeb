"""What is known of the current models of the big providers, without asking anybody: windows, prices, efforts.

The table is `model_table.json`, made by ``tests/providers/make_model_table.py``. What is not in it is not known: no
window, no price, no choice of effort.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any, Final

import orjson

from agent_server.providers.provider import ModelInfo, Price

_FILE: Final = os.path.join(os.path.dirname(__file__), "model_table.json")


def known_models(provider: str) -> tuple[ModelInfo, ...]:
    """The models of a provider, the newest first; ids are the server's own, without the provider's word."""
    return tuple(_info(provider, model_id, row) for model_id, row in _rows().get(provider, {}).items())


def known_model(provider: str, model_id: str) -> ModelInfo | None:
    """What is known of one model: by its id, or by that without the date at its end."""
    rows = _rows().get(provider, {})
    row = rows.get(model_id)
    if row is None:
        import re

        row = rows.get(re.sub(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$", "", model_id))
    return None if row is None else _info(provider, model_id, row)


def providers_of(model_id: str) -> tuple[str, ...]:
    """The providers that have a model of exactly this id."""
    return tuple(provider for provider, rows in _rows().items() if model_id in rows)


@cache
def _rows() -> dict[str, dict[str, Any]]:
    with open(_FILE, "rb") as file:
        models: dict[str, dict[str, Any]] = orjson.loads(file.read())["models"]
    return models


def _info(provider: str, model_id: str, row: dict[str, Any]) -> ModelInfo:
    return ModelInfo(
        model_id,
        model_id,
        window_tokens=row.get("window"),
        images=row.get("images", False),
        audio=row.get("audio", False),
        output_tokens=row.get("output"),
        efforts=tuple(row.get("efforts", ())),
        price=_price(row),
        provider=provider,
    )


def _price(row: dict[str, Any]) -> Price | None:
    prices = row.get("price")
    if prices is None:
        return None
    price, above = Price(*prices), row.get("above")
    return price if above is None else replace(price, above_tokens=above[0], above=Price(*above[1:]))
