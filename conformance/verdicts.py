"""What can be said of a requirement, and how a check says it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.requirements import Requirement
    from conformance.transcript import Transcript


class Verdict(enum.Enum):
    """PASS: the behaviour was seen. FAIL: its opposite was seen. The others say why nothing was seen of it."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_EXERCISED = "not exercised"
    BLOCKED = "blocked by authentication"


class Ended(Exception):
    """Ends a check with a verdict; the text says why."""

    verdict = Verdict.NOT_EXERCISED


class Failure(Ended):
    """The requirement is not met."""

    verdict = Verdict.FAIL


class NotApplicable(Ended):
    """The requirement does not concern this program."""

    verdict = Verdict.NOT_APPLICABLE


class NotExercised(Ended):
    """The situation in which the requirement counts did not come about."""

    verdict = Verdict.NOT_EXERCISED


class Blocked(Ended):
    """The agent wants a login first."""

    verdict = Verdict.BLOCKED


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one requirement. ``why`` is empty for a pass; the transcripts show what a failure rests on."""

    requirement: Requirement
    verdict: Verdict
    why: str = ""
    transcripts: Sequence[Transcript] = field(default=(), repr=False)
    seconds: float = 0.0
