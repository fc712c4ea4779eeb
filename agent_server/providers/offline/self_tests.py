"""The ``/test`` prompts: known streams at full speed, for people who test editors and measure servers.

Only the first 64 characters of such a prompt are split (all of it only for a command to run), and nothing of it is
echoed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from itertools import repeat
from typing import TypeAlias, get_args

from agent_server.conversation.content import ImagePart
from agent_server.conversation.events import CompactionOutcome, PlanEntry
from agent_server.errors import ErrorKind, ProviderError
from agent_server.providers.provider import (
    CompactionEnded,
    CompactionStarted,
    CompactionSummary,
    Finished,
    ModelRequest,
    NoticeGiven,
    PartDelta,
    PlanProposed,
    ProviderEvent,
    TextDelta,
    ThoughtDelta,
    ToolCallRequested,
    Usage,
)

Events: TypeAlias = AsyncGenerator[ProviderEvent, None]

MAX_CHUNKS = 10_000_000
MAX_CHUNK_BYTES = 1 << 20
MAX_ROUND_TRIPS = 1_000_000
MAX_COMMAND_CHARS = 4096

KNOWN = (
    "stream N BYTES [Y], noop, wait, perm N, fs N, terminal CMD, plan, thought, error [KIND], image, notice,"
    " usage, compact [END], form, url"
)

# One black pixel.
PIXEL_PNG_BASE64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg=="


def self_test(text: str, request: ModelRequest, *, answered: bool) -> Events:
    """Return the stream that the prompt asks for; ``answered``: its tool call has come back.

    Raises:
        ProviderError: from the iterator, if the prompt asks for an error.
    """
    if answered:
        return _nothing()
    words = text[:64].split()
    name = words[1] if len(words) > 1 else ""
    if name == "stream":
        return _stream(words[2:5])
    if name == "noop":
        return _nothing()
    if name in ("perm", "fs"):
        return _round_trips(name, words[2:3], request)
    if name in ("form", "url"):
        return _tool({"action": name}, request)
    if name == "terminal":
        return _terminal(text, request)
    if name == "error":
        return _error(words[2] if len(words) > 2 else "raw")
    if name == "compact":
        return _compact(words[2] if len(words) > 2 else "completed")
    stream = _FIXED.get(name)
    return stream() if stream else _line(f"Unknown test. Known: {KNOWN}.")


def _number(word: str, most: int, least: int = 1) -> int | None:
    """Read a plain decimal number within the bounds; anything else is None."""
    if not (word.isascii() and word.isdecimal() and len(word) <= 9):
        return None
    number = int(word)
    return number if least <= number <= most else None


async def _nothing() -> Events:
    yield Finished()


async def _line(text: str) -> Events:
    yield TextDelta(text)
    yield Finished()


def _stream(words: list[str]) -> Events:
    chunks, size_bytes, every = (*words, *[""] * (3 - len(words)))
    count = _number(chunks, MAX_CHUNKS, least=0)
    size = _number(size_bytes, MAX_CHUNK_BYTES)
    run = _number(every or "0", MAX_CHUNKS, least=0)
    if count is None or size is None or run is None:
        return _line(f"Usage: /test stream N BYTES [Y], N up to {MAX_CHUNKS}, BYTES from 1 to {MAX_CHUNK_BYTES}.")
    delta = TextDelta("x" * size)
    return _yielding_chunks(delta, count, run) if run else _chunks(delta, count)


async def _chunks(delta: TextDelta, count: int) -> Events:
    for same in repeat(delta, count):
        yield same
    yield Finished()


async def _yielding_chunks(delta: TextDelta, count: int, run: int) -> Events:
    from asyncio import sleep

    for _ in range(count // run):
        for same in repeat(delta, run):
            yield same
        await sleep(0)
    for same in repeat(delta, count % run):
        yield same
    yield Finished()


async def wait() -> Events:
    """Say one short text, then work until cancelled."""
    from asyncio import Event

    yield TextDelta("Working until cancelled.")
    await Event().wait()
    yield Finished()


def _round_trips(action: str, words: list[str], request: ModelRequest) -> Events:
    count = _number(words[0] if words else "1", MAX_ROUND_TRIPS)
    if count is None:
        return _line(f"Usage: /test {action} N, N from 1 to {MAX_ROUND_TRIPS}.")
    return _tool({"action": action, "count": count}, request)


def _terminal(text: str, request: ModelRequest) -> Events:
    # A command that was cut would be another command.
    words = text.split(None, 2) if len(text) <= MAX_COMMAND_CHARS else []
    if len(words) < 3:
        return _line(f"Usage: /test terminal CMD, {MAX_COMMAND_CHARS} characters in all at most.")
    return _tool({"command": words[2].rstrip()}, request, "self_test_terminal")


async def _tool(arguments: dict[str, object], request: ModelRequest, name: str = "self_test") -> Events:
    if any(spec.name == name for spec in request.tools):
        from agent_server.providers.offline.history import next_call_number

        yield ToolCallRequested(f"offline-{next_call_number(request.messages)}", name, arguments)
        yield Finished("tool_use")
        return
    yield TextDelta(f"This session does not offer the tool {name}.")
    yield Finished()


async def _plan() -> Events:
    names = ("Look", "Change", "Check")
    for now in (0, 1, 3):
        yield PlanProposed(
            tuple(
                PlanEntry(name, status="completed" if i < now else "in_progress" if i == now else "pending")
                for i, name in enumerate(names)
            )
        )
    yield Finished()


async def _thought() -> Events:
    yield ThoughtDelta("A first ")
    yield ThoughtDelta("thought.")
    yield TextDelta("A first text.")
    yield ThoughtDelta("A second thought.")
    yield TextDelta("A second text.")
    yield Finished()


async def _image() -> Events:
    yield PartDelta(ImagePart(PIXEL_PNG_BASE64, "image/png"))
    yield Finished()


async def _notice() -> Events:
    yield NoticeGiven("info", "This is for your information.")
    yield NoticeGiven("warning", "This is a warning.", "It says what may go wrong.\nIt has two lines.")
    yield NoticeGiven("error", "This is an error.", "The turn goes on all the same.")
    yield Finished()


async def _usage() -> Events:
    yield Usage(input_tokens=20_000, output_tokens=5_000)
    yield Finished()


def _compact(word: str) -> Events:
    for end in get_args(CompactionOutcome):
        if word == end:
            return _compaction(end)
    return _line(f"Usage: /test compact [END], END one of {', '.join(get_args(CompactionOutcome))}.")


async def _compaction(end: CompactionOutcome) -> Events:
    yield CompactionStarted("test")
    yield CompactionSummary("test", "The test prompt asked for a compaction. ")
    yield CompactionSummary("test", "Nothing was left out.")
    yield CompactionEnded("test", end, "The test prompt asked for a failure." if end == "failed" else None)
    yield Finished()


def _error(word: str) -> Events:
    for kind in get_args(ErrorKind):
        if word == kind:
            return _raise(kind)
    return _line(f"Usage: /test error [KIND], KIND one of {', '.join(get_args(ErrorKind))}.")


async def _raise(kind: ErrorKind) -> Events:
    if kind:
        raise ProviderError(kind, f"The test prompt asked for the error {kind}.", provider="offline")
    yield Finished()


_FIXED: dict[str, Callable[[], Events]] = {
    "wait": wait,
    "plan": _plan,
    "thought": _thought,
    "image": _image,
    "notice": _notice,
    "usage": _usage,
}
