"""One prompt at work: a script that pauses where it waits, and can be cancelled there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from conformance.mutants.wire import INTERNAL_ERROR, Json, Refused

if TYPE_CHECKING:
    from conformance.mutants.service import Agent
    from conformance.mutants.state import Session


class Cancelled(Exception):
    """Thrown into a script where it waits."""


class Ask:
    """Yielded by a script: a request to the client. It is given back the result, or a `Refused` is thrown in.

    ``held``: a cancel has to wait until the answer is there.
    """

    def __init__(self, method: str, params: Json, *, held: bool = False) -> None:
        self.method = method
        self.params = params
        self.held = held


class Forever:
    """Yielded by a script: waits until it is cancelled."""


Script = Generator[Any, Any, None]


class Turn:
    """Runs one script to its end. ``request_id``: the prompt's."""

    def __init__(self, agent: Agent, session: Session, request_id: Any, script: Callable[[Turn], Script]) -> None:
        self.agent = agent
        self.session = session
        self.request_id = request_id
        self.cancelled = False
        self.over = False
        self._make = script
        self._script: Script | None = None
        self._waits = 0
        self._held = False

    def start(self) -> None:
        self._script = self._make(self)
        self._go(next)

    def cancel(self) -> None:
        """Stop it where it waits; a turn that has not begun ends at once."""
        if self.cancelled or self.over:
            return
        self.cancelled = True
        if self._script is None:
            self._end(None)
        elif not self._held:
            self._waits += 1
            self._go(lambda script: script.throw(Cancelled()))

    def _go(self, step: Callable[[Script], Any]) -> None:
        assert self._script is not None
        self._held = False
        try:
            wanted = step(self._script)
        except (StopIteration, Cancelled):
            self._end(None)
        except Refused as refused:
            self._end(refused)
        else:
            self._wait(wanted)

    def _wait(self, wanted: Any) -> None:
        self._waits += 1
        number = self._waits
        if isinstance(wanted, list):
            self._wait_for_all(wanted, number)
        elif isinstance(wanted, Ask):
            self._held = wanted.held
            self.agent.ask(wanted.method, wanted.params, lambda message: self._answered(message, number))

    def _wait_for_all(self, asks: list[Ask], number: int) -> None:
        answers: dict[int, Json] = {}

        def take(position: int, message: Json) -> None:
            answers[position] = message
            if len(answers) == len(asks) and number == self._waits:
                self._go(lambda script: script.send([answers[key].get("result") for key in range(len(asks))]))

        for position, one in enumerate(asks):
            self.agent.ask(one.method, one.params, functools.partial(take, position))

    def _answered(self, message: Json, number: int) -> None:
        if number != self._waits or self.over:
            return  # the turn was cancelled meanwhile
        if self._held and self.cancelled:
            self._go(lambda script: script.throw(Late(message.get("result") or {})))
        elif "error" in message:
            refused = Refused(INTERNAL_ERROR, "the client refused")
            self._go(lambda script: script.throw(refused))
        else:
            self._go(lambda script: script.send(message.get("result") or {}))

    def _end(self, refused: Refused | None) -> None:
        self.over = True
        self.agent.turn_ended(self, refused)


class Late(Cancelled):
    """A cancel that had to wait for this answer."""

    def __init__(self, result: Json) -> None:
        super().__init__()
        self.result = result
