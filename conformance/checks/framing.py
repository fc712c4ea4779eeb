"""Lines and what is no message: how bytes become messages, and what happens to those that become none."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence

import orjson

from conformance.agent_link import AgentLink, Asked
from conformance.case import Case, answered, still_answers
from conformance.registry import check
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotExercised

PARSE_ERROR, INVALID_REQUEST = -32700, -32600

SEPARATORS = "one\u2028two\u2029three\u0085four\nfive\r\nsix"
MANY_BYTES = "zwei Ähren, drei €, vier 😀"
MEBIBYTE = 1024 * 1024
PIECE_PAUSE_S = 0.005
TOGETHER = 3

NO_JSON = (b"{this is no JSON", b'{"jsonrpc":"2.0","id":', b"}")
NO_OBJECTS = (b"5", b'"a text"', b"null", b"true")


@check("frame.separators-in-text")
async def reads_separators_as_text(case: Case) -> None:
    async with case.agent() as link:
        await answered(await link.ask_raw("session/new", _session_with(link, SEPARATORS)))


@check("frame.blank-lines")
async def skips_blank_lines(case: Case) -> None:
    async with case.agent() as link:
        strays = await _strays_after(link, b"\n\n\n", case.options.quiet_s)
        if strays:
            raise Failure("an empty line was answered")


@check("frame.long-lines")
async def reads_a_mebibyte(case: Case) -> None:
    async with case.agent() as link:
        await answered(await link.ask_raw("session/new", _session_with(link, "x" * MEBIBYTE)))


@check("frame.split-anywhere")
async def reads_what_comes_in_pieces(case: Case) -> None:
    async with case.agent() as link:
        line = _session_with(link, MANY_BYTES)
        asked = link.expect("session/new", line)
        for piece in _pieces(line + b"\n"):
            await link.write_unrecorded(piece)
            await asyncio.sleep(PIECE_PAUSE_S)
        await answered(asked)


@check("frame.many-in-one-write")
async def reads_what_comes_together(case: Case) -> None:
    async with case.agent() as link:
        lines = [_session_with(link, str(number)) for number in range(TOGETHER)]
        asked: Sequence[Asked] = [link.expect("session/new", line) for line in lines]
        await link.write_unrecorded(b"".join(line + b"\n" for line in lines))
        for one in asked:
            await answered(one)


@check("rpc.survives-parse-errors")
async def survives_what_is_no_json(case: Case) -> None:
    await _survives(case, *NO_JSON)


@check("rpc.parse-error")
async def names_what_is_no_json(case: Case) -> None:
    await _refuses(case, PARSE_ERROR, *NO_JSON)


@check("rpc.survives-non-objects")
async def survives_what_is_no_object(case: Case) -> None:
    await _survives(case, *NO_OBJECTS)


@check("rpc.invalid-request")
async def names_what_is_no_object(case: Case) -> None:
    await _refuses(case, INVALID_REQUEST, *NO_OBJECTS)


@check("rpc.survives-batches")
async def survives_batches(case: Case) -> None:
    async with case.agent() as link:
        await link.write(b"[]\n" + _batch(link)[1] + b"\n")
        await still_answers(link)


@check("rpc.batches-refused")
async def refuses_batches(case: Case) -> None:
    async with case.agent() as link:
        request_ids, line = _batch(link)
        begin = len(link.transcript.entries)
        strays = await _strays_if_alive(link, line + b"\n", case.options.quiet_s)
        if any(_answers(entry, request_ids) for entry in link.transcript.entries[begin:]):
            raise Failure("a request in an array was handled")
        _expect_refusal(strays, INVALID_REQUEST)


async def _survives(case: Case, *lines: bytes) -> None:
    async with case.agent() as link:
        for line in lines:
            await link.write(line + b"\n")
        await still_answers(link)


async def _refuses(case: Case, code: int, *lines: bytes) -> None:
    async with case.agent() as link:
        for line in lines:
            strays = await _strays_if_alive(link, line + b"\n", case.options.quiet_s / len(lines))
            _expect_refusal(strays, code)


async def _strays_after(link: AgentLink, data: bytes, quiet_s: float) -> list[Entry]:
    """What the agent answers to no request after these bytes and one request more."""
    begin = len(link.transcript.entries)
    await link.write(data)
    await still_answers(link)
    await link.quiet(quiet_s)
    return [
        entry
        for entry in link.transcript.entries[begin:]
        if entry.sender == "agent" and (isinstance(entry.value, list) or (entry.is_response and entry.asked is None))
    ]


async def _strays_if_alive(link: AgentLink, data: bytes, quiet_s: float) -> list[Entry]:
    """The same, where not to survive is another requirement's business."""
    try:
        return await _strays_after(link, data, quiet_s)
    except Failure as failure:
        raise NotExercised(str(failure)) from None


def _expect_refusal(strays: Sequence[Entry], code: int) -> None:
    codes = [_code(entry) for entry in strays]
    if codes != [code]:
        raise Failure(f"one answer of {code} with the id null was expected; there came {codes or 'none'}")


def _code(entry: Entry) -> object:
    """The code of an error for nobody; anything else as it is."""
    error = entry.message.get("error")
    if not isinstance(error, dict) or entry.message.get("id", "") is not None:
        return entry.value
    return error.get("code")


def _session_with(link: AgentLink, text: str) -> bytes:
    """A request for a session that carries a text which nobody looks at."""
    meta = {"conformance.invalid/text": text}
    return link.request_line("session/new", {"cwd": tempfile.gettempdir(), "mcpServers": [], "_meta": meta})


def _batch(link: AgentLink) -> tuple[list[object], bytes]:
    """An array of requests, and their ids."""
    lines = [_session_with(link, f"in an array, {number}") for number in range(TOGETHER)]
    return [orjson.loads(line)["id"] for line in lines], b"[" + b",".join(lines) + b"]"


def _answers(entry: Entry, request_ids: Sequence[object]) -> bool:
    return entry.sender == "agent" and entry.is_response and entry.message.get("id") in request_ids


def _pieces(line: bytes) -> list[bytes]:
    """Cut inside its first key, and inside every character that has several bytes."""
    cuts = [4, *(place for place, byte in enumerate(line) if 0x80 <= byte < 0xC0), len(line) - 1]
    return [line[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(line)], strict=True)]
