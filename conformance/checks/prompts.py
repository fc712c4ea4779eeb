"""Prompts: what they may hold, and how they are answered."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.case import FILE, INVALID_PARAMS, Case, Session, answered, expect_error, succeeds
from conformance.registry import check
from conformance.services import FILE_TEXT
from conformance.situations import works
from conformance.verdicts import Failure

Block = Mapping[str, Any]
STOP_REASONS = ("end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled")


@check("prompt.stop-reason")
async def answered_with_a_stop_reason(case: Case) -> None:
    async with case.session() as session:
        asked = await session.start(case.text("plain"))
        await answered(asked)
        reason = (await asked.result()).get("stopReason")
        if reason not in STOP_REASONS:
            raise Failure(f"the stop reason is {reason!r}")


@check("prompt.says-something")
async def says_something(case: Case) -> None:
    async with case.session() as session:
        since = len(session.link.transcript.entries)
        await session.prompt(case.text("plain"))
        entries = session.link.transcript.entries[since:]
        if not any(entry.update_kind and entry.session_id == session.id for entry in entries):
            raise Failure("the prompt was answered without a single update")


@check("prompt.again")
async def one_after_another(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        await succeeds(await session.start(case.text("plain")))


@check("prompt.resource-link")
async def links(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        here = Path(session.cwd, FILE)
        await _takes(case, session, _link(here), _link(here.with_name("missing.txt")))


@check("prompt.several-blocks")
async def several_texts(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        await _takes(case, session, {"type": "text", "text": "and"}, {"type": "text", "text": "bye"})


@check("prompt.image")
async def image(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        await _takes(case, session, {"type": "image", "mimeType": "image/png", "data": _base64(_png())})


@check("prompt.audio")
async def audio(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        await _takes(case, session, {"type": "audio", "mimeType": "audio/wav", "data": _base64(_wav())})


@check("prompt.embedded-resource")
async def embedded(case: Case) -> None:
    async with case.session() as session:
        await works(case, session)
        uri = Path(session.cwd, FILE).as_uri()
        resource = {"uri": uri, "mimeType": "text/plain", "text": FILE_TEXT}
        await _takes(case, session, {"type": "resource", "resource": resource})


@check("prompt.missing-content")
async def no_content(case: Case) -> None:
    async with case.session() as session:
        await expect_error(await session.link.ask("session/prompt", {"sessionId": session.id}), INVALID_PARAMS)


@check("prompt.malformed-block")
async def malformed_block(case: Case) -> None:
    async with case.session() as session:
        await _refuses(case, session, {"type": "text"})


@check("prompt.unknown-block")
async def unknown_block(case: Case) -> None:
    async with case.session() as session:
        await _refuses(case, session, {"type": "conformance_hologram", "data": "x"})


async def _takes(case: Case, session: Session, *blocks: Block) -> None:
    """Fail unless a prompt with these blocks behind a text is answered with a result."""
    await succeeds(await session.start([{"type": "text", "text": case.text("plain")}, *blocks]))


async def _refuses(case: Case, session: Session, block: Block) -> None:
    asked = await session.start([{"type": "text", "text": case.text("plain")}, block])
    await expect_error(asked, INVALID_PARAMS)


def _link(path: Path) -> Block:
    return {"type": "resource_link", "uri": path.as_uri(), "name": path.name}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _png(side: int = 16) -> bytes:
    """A white square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff" * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _wav() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return file.getvalue()
