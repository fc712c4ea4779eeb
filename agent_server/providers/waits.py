"""When a server wants to be asked again. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from agent_server.providers.error_bodies import Told

_SAID: Final = re.compile(
    r"\b(?:try again|retry|retrying)(?: your request)? (?:in|after) ((?:[\d.]+ ?[a-z]+[ ,]*)+)", re.IGNORECASE
)
_PART: Final = re.compile(
    r"([\d.]+) ?(ms|milliseconds?|h|hours?|m|min|minutes?|s|sec|seconds?)(?![a-z])", re.IGNORECASE
)
_UNITS_S: Final = {"ms": 0.001, "mi": 60.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST_S: Final = 366 * 86400.0


def wait_s(headers: Mapping[str, str], error: Told, now_s: float) -> float | None:
    """The longest of the waits, in seconds, that the server names; None where it names none.

    ``now_s`` is the time of day, seconds since 1970: some servers write a date.
    """
    found = [
        _number(headers.get("retry-after-ms"), 0.001),
        _number(headers.get("retry-after"), 1.0),
        _until(headers.get("retry-after"), now_s),
        duration_s(error.retry_delay or ""),
    ]
    said = _SAID.search(error.text)
    if said is not None:
        found.append(duration_s(said[1]))
    known = [wait for wait in found if wait is not None]
    return max(known) if known else None


def duration_s(text: str) -> float | None:
    """``1h2m3.5s``, ``20ms``, ``6 minutes`` in seconds."""
    total, any_part = 0.0, False
    for number, unit in _PART.findall(text):
        value = _number(number, _unit_s(unit.lower()))
        if value is not None:
            total, any_part = total + value, True
    return min(total, _LONGEST_S) if any_part else None


def _unit_s(unit: str) -> float:
    if unit.startswith("milli"):
        return _UNITS_S["ms"]
    return _UNITS_S.get(unit[:2]) or _UNITS_S[unit[:1]]


def _number(text: str | None, unit_s: float) -> float | None:
    try:
        value = float(text or "") * unit_s
    except ValueError:
        return None
    return min(value, _LONGEST_S) if value >= 0.0 else None  # not for nan either


def _until(text: str | None, now_s: float) -> float | None:
    if not text or "," not in text:
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        at = parsedate_to_datetime(text)
        at_s = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, at_s - now_s), _LONGEST_S)
