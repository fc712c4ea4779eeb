"""Broken in how lines are read and written."""

from __future__ import annotations

import json
import os
from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.state import Session
from conformance.mutants.turns import Turn
from conformance.mutants.wire import INVALID_REQUEST, PARSE_ERROR, Json

OLD_LIMIT = 65536


def is_update(message: Any, kind: str) -> bool:
    params = message.get("params") if isinstance(message, dict) else None
    return isinstance(params, dict) and params.get("update", {}).get("sessionUpdate") == kind


def are_many(lines: list[bytes]) -> bool:
    """Whether these are at least three messages, all of them whole, and the end of the last line."""
    return len(lines) > 3 and not lines[-1] and all(line.startswith(b'{"jsonrpc"') for line in lines[:-1])


@mutant("invalid-utf-8", "frame.utf-8", "Writes a title in Latin-1.")
class Latin1(Agent):
    def encode(self, message: Any) -> bytes:
        line = super().encode(message)
        return line.replace(b'"title":"', b'"title":"\xe9') if is_update(message, "session_info_update") else line


@mutant("cut-character", "frame.utf-8", "Cuts a character in two where it shortens a text.")
class CutCharacter(Agent):
    def encode(self, message: Any) -> bytes:
        line = super().encode(message)
        return line.replace(b'"description":"', b'"description":"\xc3') if b"available_commands" in line else line


@mutant("banner", "frame.stdout-is-pure", "Greets on stdout before the first message.")
class Banner(Agent):
    def began(self) -> None:
        self.write(b"Welcome to the agent!\n")


@mutant("log-on-stdout", "frame.stdout-is-pure", "Logs the prompts on stdout.")
class LogOnStdout(Agent):
    def session_prompt(self, params: Json, request_id: Any) -> Any:
        self.write(b"[info] a prompt has come\n")
        return super().session_prompt(params, request_id)


@mutant("goodbye", "frame.stdout-is-pure", "Says goodbye on stdout when its input ends.")
class Goodbye(Agent):
    def ended(self) -> int:
        self.write(b"Bye.\n")
        return 0


@mutant("pretty-printed", "frame.stdout-is-pure", "Spreads a message over several lines.")
class PrettyPrinted(Agent):
    def encode(self, message: Any) -> bytes:
        if is_update(message, "available_commands_update"):
            return json.dumps(message, indent=2).encode()
        return super().encode(message)


@mutant("batches-out", "frame.no-batches", "Sends a notification in an array.")
class BatchesOut(Agent):
    def encode(self, message: Any) -> bytes:
        wrapped = is_update(message, "available_commands_update")
        return super().encode([message] if wrapped else message)


@mutant("unknown-tool-kind", "frame.schema", "Gives a tool call a kind that the protocol does not have.")
class UnknownToolKind(Agent):
    def begin_call(self, turn: Turn, title: str, kind: str, **fields: Any) -> str:
        return super().begin_call(turn, title, "lookup" if kind == "read" else kind, **fields)


@mutant("text-without-text", "frame.schema", "Shows a text in a tool call under the wrong key.")
class TextWithoutText(Agent):
    def move_call(self, turn: Turn, call_id: str, status: str, **fields: Any) -> None:
        if "content" in fields:
            fields["content"] = [{"type": "content", "content": {"type": "text"}}]
        super().move_call(turn, call_id, status, **fields)


@mutant("own-update", "frame.schema", "Sends an update of a kind of its own.")
class OwnUpdate(Agent):
    def tell_commands(self, session: Session) -> None:
        super().tell_commands(session)
        self.update(session, "mutant_mood", mood="fine")


@mutant("command-without-description", "frame.schema", "Lists a command without its description.")
class CommandWithoutDescription(Agent):
    def tell_commands(self, session: Session) -> None:
        self.update(session, "available_commands_update", availableCommands=[{"name": "read"}])


@mutant("foreign-key-in-result", "frame.no-foreign-keys", "Names its model at the root of a result.")
class ForeignKeyInResult(Agent):
    def made(self, session: Session) -> Json:
        return {**super().made(session), "model": "small"}


@mutant("foreign-key-in-update", "frame.no-foreign-keys", "Puts a time of its own into every tool call.")
class ForeignKeyInUpdate(Agent):
    def begin_call(self, turn: Turn, title: str, kind: str, **fields: Any) -> str:
        return super().begin_call(turn, title, kind, **fields, startedAt=12)


@mutant("foreign-key-nested", "frame.no-foreign-keys", "Puts a key of its own into a content block.")
class ForeignKeyNested(Agent):
    def say(self, turn: Turn, *texts: str) -> None:
        for text in texts:
            content = {"type": "text", "text": text, "format": "markdown"}
            self.tell(turn, "agent_message_chunk", content=content)


@mutant("foreign-key-in-capabilities", "frame.no-foreign-keys", "Advertises a feature of its own outside of _meta.")
class ForeignKeyInCapabilities(Agent):
    def capabilities(self) -> Json:
        return {**super().capabilities(), "memory": True}


@mutant("splits-at-u2028", "frame.separators-in-text", "Takes every line separator of Unicode for the end of a line.")
class SplitsAtSeparators(Agent):
    def line(self, line: bytes) -> None:
        for part in line.decode("utf-8", "surrogateescape").splitlines():
            super().line(part.encode("utf-8", "surrogateescape"))


@mutant("answers-blank-lines", "frame.blank-lines", "Answers an empty line with a parse error.")
class AnswersBlankLines(Agent):
    def line(self, line: bytes) -> None:
        if not line.strip():
            self.refuse(None, PARSE_ERROR, "Parse error")
        super().line(line)


@mutant("64-kib-lines", "frame.long-lines", "Drops lines of more than 64 KiB.")
class OldLimit(Agent):
    def line(self, line: bytes) -> None:
        if len(line) <= OLD_LIMIT:
            super().line(line)


@mutant("64-kib-buffer", "frame.long-lines", "Goes away at a line of more than 64 KiB.")
class OldBuffer(Agent):
    def feed(self, data: bytes) -> None:
        super().feed(data)
        if len(self.buffer) > OLD_LIMIT:
            os._exit(1)


@mutant("one-read-one-message", "frame.split-anywhere", "Takes what one read brings for whole lines.")
class OneReadOneMessage(Agent):
    def feed(self, data: bytes) -> None:
        if len(self.buffer) + len(data) < OLD_LIMIT and not data.endswith(b"\n"):
            data += b"\n"
        super().feed(data)


@mutant("decodes-reads", "frame.split-anywhere", "Loses a character that comes in two reads.")
class DecodesReads(Agent):
    def feed(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        if "\ufffd" not in text or len(data) == OLD_LIMIT:
            super().feed(data)


@mutant("first-of-many", "frame.many-in-one-write", "Reads only the first of several messages that arrive at once.")
class FirstOfMany(Agent):
    def feed(self, data: bytes) -> None:
        lines = data.split(b"\n")
        super().feed(lines[0] + b"\n" if are_many(lines) else data)


@mutant("last-of-many", "frame.many-in-one-write", "Reads only the last of several messages that arrive at once.")
class LastOfMany(Agent):
    def feed(self, data: bytes) -> None:
        lines = data.split(b"\n")
        super().feed(lines[-2] + b"\n" if are_many(lines) else data)


@mutant("mute-about-parse-errors", "rpc.parse-error", "Says nothing about a line that is no JSON.")
class MuteAboutParseErrors(Agent):
    def unreadable(self) -> None:
        pass


@mutant("dies-of-garbage", "rpc.survives-parse-errors", "Answers a line that is no JSON, and goes away.")
class DiesOfGarbage(Agent):
    def unreadable(self) -> None:
        super().unreadable()
        os._exit(1)


@mutant("mute-about-numbers", "rpc.invalid-request", "Says nothing about a line that is no object.")
class MuteAboutNumbers(Agent):
    def no_object(self, value: Any) -> None:
        pass


@mutant("dies-of-numbers", "rpc.survives-non-objects", "Answers a line that is no object, and goes away.")
class DiesOfNumbers(Agent):
    def no_object(self, value: Any) -> None:
        super().no_object(value)
        os._exit(1)


@mutant("dies-of-batches", "rpc.survives-batches", "Answers an array of messages, and goes away.")
class DiesOfBatches(Agent):
    def batch(self, values: list[Any]) -> None:
        super().batch(values)
        os._exit(1)


@mutant("dies-of-empty-batches", "rpc.survives-batches", "Goes away at an empty array.")
class DiesOfEmptyBatches(Agent):
    def batch(self, values: list[Any]) -> None:
        super().batch(values)
        if not values:
            os._exit(1)


@mutant("does-batches", "rpc.batches-refused", "Does what stands in an array of messages.")
class DoesBatches(Agent):
    def batch(self, values: list[Any]) -> None:
        for value in values:
            self.value(value)


@mutant("refuses-batches-in-pieces", "rpc.batches-refused", "Refuses an array, and then every message of it.")
class RefusesBatchesInPieces(Agent):
    def batch(self, values: list[Any]) -> None:
        for _ in [None, *values]:
            self.refuse(None, INVALID_REQUEST, "Batches are not supported")
