"""Conversations written by hand, for the rules to read."""

from __future__ import annotations

import itertools
from typing import Any, Self

import orjson

from conformance.registry import all_rules
from conformance.transcript import Sender, Transcript

SESSION = "session-1"


class Talk:
    """A conversation that grows line by line; every method returns the talk itself.

    ``ask`` and ``answer`` are the client's request and the agent's answer to it, ``wish`` and ``grant`` the same the
    other way round. Requests are named by their ids.
    """

    def __init__(self) -> None:
        self.transcript = Transcript("a talk")
        self._ids = itertools.count(1)

    def ask(self, method: str, request_id: object = None, /, **params: Any) -> Self:
        return self._say("client", id=request_id or next(self._ids), method=method, params=params)

    def tell(self, method: str, /, **params: Any) -> Self:
        return self._say("client", method=method, params=params)

    def answer(self, request_id: object, /, **result: Any) -> Self:
        return self._say("agent", id=request_id, result=result)

    def refuse(self, request_id: object, code: int = -32603) -> Self:
        return self._say("agent", id=request_id, error={"code": code, "message": "no"})

    def wish(self, request_id: object, method: str, /, **params: Any) -> Self:
        return self._say("agent", id=request_id, method=method, params={"sessionId": SESSION, **params})

    def grant(self, request_id: object, /, **result: Any) -> Self:
        return self._say("client", id=request_id, result=result)

    def notify(self, method: str, /, **params: Any) -> Self:
        return self._say("agent", method=method, params=params)

    def update(self, kind: str, /, *, session: str = SESSION, **fields: Any) -> Self:
        update = {"sessionUpdate": kind, **fields}
        return self.notify("session/update", sessionId=session, update=update)

    def made(self, **result: Any) -> Self:
        """A session that is made."""
        self.ask("session/new", "new", cwd="/work", mcpServers=[])
        return self.answer("new", sessionId=SESSION, **result)

    def prompt(self, request_id: object = "prompt", session: str = SESSION) -> Self:
        return self.ask("session/prompt", request_id, sessionId=session, prompt=[])

    def done(self, request_id: object = "prompt", reason: str = "end_turn", **more: Any) -> Self:
        return self.answer(request_id, stopReason=reason, **more)

    def _say(self, sender: Sender, **message: Any) -> Self:
        self.transcript.add(sender, orjson.dumps({"jsonrpc": "2.0", **message}))
        return self


def judged(rule_id: str, talk: Talk) -> list[str | None]:
    """What the rule saw each time that it counted: None where it was kept, else why it was broken."""
    return [seen.broken for seen in all_rules()[rule_id](talk.transcript)]


def verdict(rule_id: str, talk: Talk) -> str:
    """The rule's word on a talk: ``kept``, ``broken`` or ``silent``."""
    seen = judged(rule_id, talk)
    return "silent" if not seen else "broken" if any(seen) else "kept"
