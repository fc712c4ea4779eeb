"""One line after another: how many answers does it get, and does the agent live?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import orjson

from conformance.faults.documents import Document, as_params
from conformance.faults.frames import HostileFrame
from conformance.faults.raw_agent import PROBE, Lost, RawAgent

Finding = Literal["ok", "lost", "unanswered", "too many answers", "wrong answer"]
ALLOWED_NULL_CODES = (-32700, -32600)
SHOWN_BYTES = 60


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one line. ``lenient``: the rules leave room, so that only a loss is a defect."""

    name: str
    finding: Finding
    detail: str = ""
    lenient: bool = False

    @property
    def is_defect(self) -> bool:
        return self.finding == "lost" or (self.finding != "ok" and not self.lenient)


class Lines:
    """Sends lines to an agent, and starts another one when one is lost. A context manager."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._agent: RawAgent | None = None
        self._owed: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the agent; the next line starts another one."""
        if self._agent is not None:
            self._agent.stop()
            self._agent = None
            self._owed.clear()

    def frame(self, frame: HostileFrame) -> LineResult:
        """Send a hostile frame, then a request; judge what came for the frame until that was answered."""
        answers = self._answers(frame.line)
        if isinstance(answers, str):
            return LineResult(frame.name, "lost", answers, frame.lenient)
        finding, detail = _judged(answers, frame)
        return LineResult(frame.name, finding, detail, frame.lenient)

    def document(self, document: Document, request_id: int) -> LineResult:
        """Send a document as the params of a request, which is answered if it is legal, or else refused once."""
        name = _shown(document.text)
        answers = self._answers(as_params(document, request_id))
        if isinstance(answers, str):
            return LineResult(name, "lost", answers)
        wants: Any = "its id" if document.grammar == "legal" else "its id or null"
        frame = HostileFrame(name, b"", wants, request_id)
        finding, detail = _judged(answers, frame)
        return LineResult(name, finding, detail)

    def bare(self, document: Document) -> LineResult:
        """Send a document by itself: it is no message, whatever it is."""
        name = f"bare {_shown(document.text)}"
        answers = self._answers(document.text)
        if isinstance(answers, str):
            return LineResult(name, "lost", answers)
        finding, detail = _judged(answers, HostileFrame(name, b"", "null"))
        return LineResult(name, finding, detail)

    def survives(self, line: bytes) -> str | None:
        """Send any line; how the agent was lost, None if it answers the next request, and this line at most once."""
        answers = self._answers(line)
        if isinstance(answers, str):
            return answers
        own = [answer for answer in answers if not self._was_owed(answer)]
        if not any(repr(answer.get("id")) in _asked(line) for answer in own):
            self._owed.update(_asked(line))
        return f"{len(own)} answers" if len(own) > 1 else None

    def _was_owed(self, answer: dict[str, Any]) -> bool:
        """Whether it answers the request of an earlier line, which may take its time; each is owed one."""
        key = repr(answer.get("id"))
        owed = self._owed[key] > 0
        self._owed[key] -= owed
        return owed

    def _answers(self, line: bytes) -> list[dict[str, Any]] | str:
        """The answers that came between the line and the next request's; a text if the agent was lost."""
        try:
            agent = self._running()
            agent.lines.clear()
            probe = agent.next_id()
            agent.send(line + b'\n{"jsonrpc":"2.0","id":%d,"method":"%b","params":{}}\n' % (probe, PROBE.encode()))
            agent.answer(probe)
        except Lost as lost:
            self.close()
            return str(lost)
        came = [item for item in agent.lines if isinstance(item, dict) and "method" not in item]
        return [item for item in came if item.get("id", "") != probe]

    def _running(self) -> RawAgent:
        if self._agent is None:
            self._agent = RawAgent(self._command)
            self._agent.initialize()
        return self._agent


def _asked(line: bytes) -> list[str]:
    """The id of the request that a line is, if it is one."""
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        return []
    is_request = isinstance(message, dict) and isinstance(message.get("method"), str) and "id" in message
    return [repr(message["id"])] if is_request else []


def _judged(answers: list[dict[str, Any]], frame: HostileFrame) -> tuple[Finding, str]:
    if len(answers) > 1:
        return "too many answers", f"{len(answers)} answers"
    if not answers:
        return ("ok", "") if "nothing" in frame.wants else ("unanswered", "")
    answer = answers[0]
    ids = frame.wants.split(" or ")
    own = "its id" in ids and answer.get("id", "") == frame.id and type(answer.get("id")) is type(frame.id)
    refusal = "null" in ids and answer.get("id", "") is None and _code(answer) in ALLOWED_NULL_CODES
    return ("ok", "") if own or refusal else ("wrong answer", f"{str(answer)[:200]}")


def _code(answer: dict[str, Any]) -> object:
    error = answer.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _shown(text: bytes) -> str:
    shown = text.decode("utf-8", "backslashreplace")
    return repr(shown if len(shown) <= SHOWN_BYTES else f"{shown[:SHOWN_BYTES]}… ({len(text)} bytes)")[1:-1]
