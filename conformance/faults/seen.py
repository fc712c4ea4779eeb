"""What a client has seen of one session, and whether a later replay still holds it.

Pure: it folds updates. The same fold serves the live stream, before a crash, and the replay after it, so what is lost
in between shows as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

ENDED: Final = frozenset({"completed", "failed"})
CHUNKS: Final = frozenset({"user_message_chunk", "agent_message_chunk", "agent_thought_chunk"})
SHOWN: Final = 80


@dataclass
class Message:
    """Everything that was said under one id: texts joined, other content as its JSON."""

    kind: str
    text: str = ""


@dataclass
class Call:
    """One tool call: its fields as they were last told, ``status`` among them."""

    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.fields.get("status") in ENDED


@dataclass
class Seen:
    """One session as a client knows it. Feed it `prompted`, `take` and `answered`, in the order of the wire.

    ``running``: a prompt of which something was seen has not been answered. ``prompts``: the texts of those prompts of
    which anything was seen, in their order. ``waiting``: the text of one of which nothing was seen yet.
    """

    messages: dict[str, Message] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    plan: list[Any] | None = None
    title: str | None = None
    running: bool = False
    waiting: str | None = None
    _nameless: str | None = None

    def prompted(self, text: str) -> None:
        """Note a prompt that is being sent. It counts when the agent shows anything of its turn."""
        self.waiting = text
        self._nameless = None

    def answered(self) -> None:
        """Note that the prompt was answered."""
        self._begun()
        self.running = False

    def take(self, update: Mapping[str, Any]) -> None:
        """Fold one ``session/update``."""
        kind = update.get("sessionUpdate")
        if kind in CHUNKS:
            self._chunk(str(kind), update)
        elif kind in ("tool_call", "tool_call_update"):
            self._begun()
            self._nameless = None
            self._call(update)
        elif kind == "plan":
            self._begun()
            self.plan = update.get("entries")
        elif kind == "session_info_update" and update.get("title") is not None:
            self.title = str(update["title"])

    def _begun(self) -> None:
        if self.waiting is not None:
            self.prompts.append(self.waiting)
            self.waiting = None
            self.running = True

    def _chunk(self, kind: str, update: Mapping[str, Any]) -> None:
        if kind != "user_message_chunk":
            self._begun()
        key = self._key(kind, update.get("messageId"))
        message = self.messages.get(key)
        if message is None:
            message = self.messages[key] = Message(kind)
            self.order.append(key)
        text = _text(update.get("content"))
        message.text += text
        if kind == "user_message_chunk" and self.waiting is None:
            self.prompts = self.user_texts()

    def _key(self, kind: str, message_id: object) -> str:
        if message_id is not None:
            return f"{kind} {message_id}"
        if self._nameless is None or not self._nameless.startswith(f"{kind} "):
            number = sum(key.startswith(f"{kind} #") for key in self.messages)
            self._nameless = f"{kind} #{number + 1}"
        return self._nameless

    def _call(self, update: Mapping[str, Any]) -> None:
        key = str(update.get("toolCallId"))
        if key not in self.calls:
            self.calls[key] = Call()
            self.order.append(f"call {key}")
        fields = {name: value for name, value in update.items() if name not in ("sessionUpdate", "toolCallId", "_meta")}
        self.calls[key].fields.update({name: value for name, value in fields.items() if value is not None})

    def user_texts(self) -> list[str]:
        """What the user said, in order; only a replay tells it."""
        return [one.text for one in self.messages.values() if one.kind == "user_message_chunk"]


def _text(content: object) -> str:
    if isinstance(content, dict) and content.get("type") == "text":
        return str(content.get("text", ""))
    return orjson.dumps(content).decode()


def losses(seen: Seen, replay: Seen, *, settled: bool = True) -> list[str]:
    """What was seen and is not in the replay, in words. None: everything is there, or further on.

    Only a turn that was running may be further on. Whatever ran must have ended in the replay. ``settled``: what was
    seen is the last that was seen before the replay; without it there may be further turns.
    """
    exact = settled and not seen.running and seen.waiting is None
    found = [*_lost_prompts(seen.prompts, replay.user_texts())]
    for key, message in seen.messages.items():
        if message.kind != "user_message_chunk" or key in replay.messages:
            found += _lost_text(key, message, replay.messages.get(key), exact=not seen.running)
    for call_id, call in seen.calls.items():
        found += _lost_call(call_id, call, replay.calls.get(call_id))
    found += [f"call {call_id} has not ended" for call_id, call in replay.calls.items() if not call.ended]
    found += _lost_order(seen.order, replay.order)
    if seen.plan is not None and not _kept(seen.plan, replay.plan, exact=exact):
        found.append(f"the plan is {_shown(replay.plan)} instead of {_shown(seen.plan)}")
    if seen.title is not None and not _kept(seen.title, replay.title, exact=exact):
        found.append(f"the title is {replay.title!r} instead of {seen.title!r}")
    return found


def _kept(seen: object, now: object, *, exact: bool) -> bool:
    return seen == now if exact else now is not None


def _lost_prompts(prompts: Sequence[str], told: Sequence[str]) -> list[str]:
    if list(told[: len(prompts)]) == list(prompts):
        return []
    at = next((i for i, text in enumerate(prompts) if i >= len(told) or told[i] != text), 0)
    now = _shown(told[at]) if at < len(told) else "missing"
    return [f"prompt {at + 1} of {len(prompts)} ({_shown(prompts[at])}) is {now}"]


def _lost_text(key: str, seen: Message, now: Message | None, *, exact: bool) -> list[str]:
    if now is None:
        return [f"{key} is missing ({len(seen.text)} characters)"]
    if now.text == seen.text or (not exact and now.text.startswith(seen.text)):
        return []
    same = next((i for i, (a, b) in enumerate(zip(seen.text, now.text, strict=False)) if a != b), None)
    if same is None:
        return [f"{key} has {len(now.text)} characters instead of {len(seen.text)}"]
    return [f"{key} is another text from character {same} on: {_shown(now.text[same:])}"]


def _lost_call(call_id: str, seen: Call, now: Call | None) -> list[str]:
    if now is None:
        return [f"call {call_id} is missing"]
    if not seen.ended:
        names: list[str] = [
            name for name in ("kind", "rawInput") if name in seen.fields
        ]  # the others go on until it ends
    else:
        names = [name for name, value in seen.fields.items() if value not in ([], "")]
    differing = [name for name in names if now.fields.get(name) != seen.fields[name]]
    return [
        f"call {call_id}: {name} is {_shown(now.fields.get(name))} instead of {_shown(seen.fields[name])}"
        for name in differing
    ]


def _lost_order(seen: Sequence[str], now: Sequence[str]) -> list[str]:
    places = {key: place for place, key in enumerate(now)}
    at = [places[key] for key in seen if key in places]
    return [] if at == sorted(at) else ["what was seen comes in another order"]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
