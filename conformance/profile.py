"""Which requirements concern an agent, by what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.case import Case
from conformance.verdicts import Ended, NotExercised


class NoVersion(NotExercised):
    """The answer to ``initialize`` names no version that there could be."""


async def look_at(case: Case) -> Mapping[str, Any]:
    """What the agent says of itself: the answer to initialize, and under ``session`` that to session/new.

    Without ``session`` if it makes none; ``session_refused`` is then the exception that says why.

    Raises:
        NotExercised: it cannot be started, does not answer ``initialize``, or speaks another version.
    """
    async with case.started() as link:
        profile: dict[str, Any] = dict(await case.initialize(link))
        version = profile.get("protocolVersion")
        if not isinstance(version, int) or version < 1:
            raise NoVersion(f"asked for version 1, it answered {version!r}")
        if version != 1:
            raise NotExercised(f"the agent speaks protocol version {version}, not 1")
        try:
            async with case.new_session(link) as session:
                profile["session"] = session.made
        except Ended as ended:
            profile["session_refused"] = ended
        return profile


def is_open(profile: Mapping[str, Any], gate: str | None) -> bool:
    """Whether the profile has a true flag, an object, or a list that is not empty at the dotted path."""
    value: Any = profile
    for key in gate.split(".") if gate else ():
        value = value.get(key) if isinstance(value, Mapping) else None
    return value is True or isinstance(value, Mapping) or (isinstance(value, list) and bool(value))
