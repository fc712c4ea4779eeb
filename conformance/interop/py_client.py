"""Drives an ACP agent with the official Python SDK, one named step after another.

    python -m conformance.interop.py_client '["command", "of", "the", "agent"]' WORKSPACE [--without-fs]

The agent must understand the prompts ``/test ...``, ``/write PATH TEXT`` and ``/read PATH``. One JSON line per step
goes to stdout, ``{"step": ..., "ok": ..., "detail": ...}``; the exit status is 0 if every step is ok. With
``--without-fs`` the client offers no file methods, and only the steps that may differ by that are run.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from .py_run import Run, Step, StepError, drive, expect
from .py_sdk import VERSION, acp, schema
from .py_sessions import SESSION_STEPS, delete

CANCEL_S = 1.0
BIG_BYTES = 5 * 1024 * 1024


async def initialize(run: Run) -> str:
    capabilities = schema.ClientCapabilities(
        fs=schema.FileSystemCapabilities(read_text_file=run.offers_fs, write_text_file=run.offers_fs),
        terminal=True,
        elicitation=schema.ElicitationCapabilities(form=schema.ElicitationFormCapabilities()),
    )
    answer = await run.agent.initialize(
        protocol_version=acp.PROTOCOL_VERSION,
        client_capabilities=capabilities,
        client_info=schema.Implementation(name="interop-python", version="1"),
    )
    expect(answer.protocol_version == 1, f"protocolVersion is {answer.protocol_version}")
    info = answer.agent_info
    expect(info and info.name and info.version, f"agentInfo is {info}")
    return f"{info.name} {info.version} with the SDK {VERSION}"


async def new_session(run: Run) -> str:
    answer = await run.agent.new_session(cwd=run.workspace, mcp_servers=[])
    expect(answer.session_id, "there is no sessionId")
    modes = {mode.id for mode in answer.modes.available_modes} if answer.modes else set()
    expect({"ask", "plan"} <= modes, f"modes are {sorted(modes)}")
    options = {option.id for option in answer.config_options or []}
    expect({"mode", "model"} <= options, f"configOptions are {sorted(options)}")
    return f"modes {sorted(modes)}, configOptions {sorted(options)}"


async def stream(run: Run) -> str:
    session_id = await run.session()
    stop_reason = await run.ask(session_id, "/test stream 200 16 10")
    expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    texts = run.editor.texts(session_id)
    expect(texts == ["x" * 16] * 200, f"{len(texts)} chunks, {sum(map(len, texts))} characters; not 200 of 16")
    await run.expect_quiet(session_id)
    return "200 chunks"


async def order(run: Run) -> str:
    session_id = await run.session()
    await run.ask(session_id, "/test thought")
    pieces = [
        (update.session_update.split("_")[1], update.content.text)
        for update in run.editor.updates[session_id]
        if update.session_update in ("agent_message_chunk", "agent_thought_chunk")
    ]
    expected = [("thought", "A first thought."), ("message", "A first text.")]
    expected += [("thought", "A second thought."), ("message", "A second text.")]
    expect(_joined(pieces) == expected, f"thoughts and texts arrived as {pieces}")
    return f"{len(pieces)} chunks in order"


def _joined(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    joined: list[tuple[str, str]] = []
    for kind, text in pieces:
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + text)
        else:
            joined.append((kind, text))
    return joined


async def permission_allow(run: Run) -> str:
    session_id = await run.session()
    editor = run.editor
    editor.choice, editor.writes, editor.permissions = "allow_once", [], []
    names = ("allowed-1.txt", "allowed-2.txt")
    editor.watched = [run.path(name) for name in names]
    for name in names:
        stop_reason = await run.ask(session_id, f"/write {name} text of {name}")
        expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    expect(len(editor.permissions) == 2, f"{len(editor.permissions)} permission requests for two writes")
    expect({"allow_once", "reject_once"} <= set(editor.permissions[0].option_kinds), f"{editor.permissions[0]}")
    expect(not editor.permissions[0].existing, "the file was there before the permission was asked")
    for name in names:
        text = Path(run.path(name)).read_text(encoding="utf-8")
        expect(text.rstrip("\n") == f"text of {name}", f"{name} holds {text!r}")
    written = [path for path, _ in editor.writes]
    expect(written == (editor.watched if run.offers_fs else []), f"fs/write_text_file was called for {written}")
    return "written through the client" if run.offers_fs else "written to the disk"


async def permission_reject(run: Run) -> str:
    session_id = await run.session()
    editor = run.editor
    editor.choice, editor.writes, editor.permissions = "reject_once", [], []
    stop_reason = await run.ask(session_id, "/write rejected.txt nothing")
    expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    expect(len(editor.permissions) == 1, f"{len(editor.permissions)} permission requests")
    expect(not editor.writes and not Path(run.path("rejected.txt")).exists(), "the file was written all the same")
    expect(run.last_status(session_id) == "failed", f"the tool call was left {run.last_status(session_id)}")
    return "untouched"


async def fs_read(run: Run) -> str:
    session_id = await run.session()
    path = run.path("notes.txt")
    Path(path).write_text("saved-on-disk\n", encoding="utf-8")
    run.editor.reads, run.editor.unsaved = [], {path: "unsaved-in-editor\n"}
    stop_reason = await run.ask(session_id, "/read notes.txt")
    expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    shown = run.editor.shown(session_id)
    wanted, other = "unsaved-in-editor", "saved-on-disk"
    if not run.offers_fs:
        wanted, other = other, wanted
        expect(not run.editor.reads, f"fs/read_text_file was called for {run.editor.reads}")
    expect(wanted in shown, f"the user was not shown the text {wanted}")
    expect(other not in shown, f"the user was shown the text {other}")
    return f"showed {wanted}"


async def terminal(run: Run) -> str:
    session_id = await run.session()
    editor = run.editor
    editor.choice, editor.permissions, editor.made = "allow_once", [], 0
    stop_reason = await run.ask(session_id, "/test terminal echo from-a-terminal")
    expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    expect(len(editor.permissions) == 1, f"{len(editor.permissions)} permission requests")
    expect((editor.made, editor.open) == (1, {}), f"{editor.made} terminals, not released: {list(editor.open)}")
    shown = [str(content.terminal_id) for content in run.contents(session_id) if content.type == "terminal"]
    expect(set(shown) == {"terminal-1"}, f"the user was shown the terminals {shown}")
    expect(run.last_status(session_id) == "completed", f"the tool call was left {run.last_status(session_id)}")
    return "shown and released"


async def cancel_waiting(run: Run) -> str:
    return await _cancel(run, "/test wait", chunks=1)


async def cancel_streaming(run: Run) -> str:
    return await _cancel(run, "/test stream 1000000 32 1", chunks=50)


async def cancel_asking(run: Run) -> str:
    session_id = await run.session()
    editor = run.editor
    editor.choice, editor.writes, editor.permissions = "cancelled", [], []
    stop_reason = await run.ask(session_id, "/write cancelled.txt nothing")
    expect(stop_reason == "cancelled", f"stopReason is {stop_reason}")
    expect(len(editor.permissions) == 1, f"{len(editor.permissions)} permission requests")
    expect(not editor.writes and not Path(run.path("cancelled.txt")).exists(), "the file was written all the same")
    expect(run.last_status(session_id) == "failed", f"the tool call was left {run.last_status(session_id)}")
    await run.expect_quiet(session_id)
    return "untouched"


async def _cancel(run: Run, prompt: str, chunks: int) -> str:
    session_id = await run.session()
    turn = asyncio.create_task(run.ask(session_id, prompt))
    await run.editor.until(lambda: len(run.editor.texts(session_id)) >= chunks)
    cancelled_at = monotonic()
    await run.agent.cancel(session_id=session_id)
    stop_reason = await turn
    took_s = monotonic() - cancelled_at
    expect(stop_reason == "cancelled", f"stopReason is {stop_reason}")
    expect(took_s < CANCEL_S, f"the response came {took_s:.2f} s after session/cancel")
    await run.expect_quiet(session_id)
    expect(await run.ask(session_id, "/test noop") == "end_turn", "the next prompt did not end its turn")
    return f"{took_s * 1000:.0f} ms"


async def two_sessions(run: Run) -> str:
    waiting, first, second = [await run.session() for _ in range(3)]
    held = asyncio.create_task(run.ask(waiting, "/test wait"))
    await run.editor.until(lambda: len(run.editor.texts(waiting)) >= 1)
    reasons = await asyncio.gather(run.ask(first, "/test stream 300 11 1"), run.ask(second, "/test stream 200 13 1"))
    expect(set(reasons) == {"end_turn"}, f"stopReasons are {reasons}")
    expect(not held.done(), "the prompt that waits was ended by the others")
    for session_id, count, size in ((first, 300, 11), (second, 200, 13)):
        texts = run.editor.texts(session_id)
        expect(texts == ["x" * size] * count, f"{len(texts)} chunks of {sorted({len(text) for text in texts})}")
    await run.agent.cancel(session_id=waiting)
    reason = await held
    expect(reason == "cancelled", f"the prompt that waited ended with {reason}")
    return "two streams beside a prompt that waits"


async def many_sessions(run: Run) -> str:
    sessions = [await run.session() for _ in range(10)]

    async def talk(number: int, session_id: str) -> None:
        for _ in range(10):
            reason = await run.ask(session_id, f"/test stream 10 {number + 1} 1")
            expect(reason == "end_turn", f"stopReason is {reason}")

    await asyncio.gather(*(talk(number, session_id) for number, session_id in enumerate(sessions)))
    for number, session_id in enumerate(sessions):
        texts = run.editor.texts(session_id)
        expect(texts == ["x" * (number + 1)] * 100, f"session {number}: {len(texts)} chunks, {set(texts)}")
    return "10 sessions, 100 prompts, 1000 chunks"


async def big_prompt(run: Run) -> str:
    session_id = await run.session()
    started_at = monotonic()
    stop_reason = await run.ask(session_id, "/test noop " + "n" * BIG_BYTES)
    expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    return f"{BIG_BYTES} bytes of text in {monotonic() - started_at:.2f} s"


async def big_image(run: Run) -> str:
    session_id = await run.session()
    image = schema.ImageContentBlock(
        type="image", data=base64.b64encode(bytes(BIG_BYTES)).decode(), mime_type="image/png"
    )
    stop_reason = await run.ask(session_id, "/test noop", image)
    expect(stop_reason == "end_turn", f"stopReason is {stop_reason}")
    return f"{BIG_BYTES} bytes of image"


async def unknown_session(run: Run) -> str:
    await _expect_not_found(run, "session-that-never-was")
    return "-32002"


async def _expect_not_found(run: Run, session_id: str) -> None:
    try:
        reason = await run.ask(session_id, "/test noop")
    except acp.RequestError as error:
        expect(error.code == -32002, f"the error is {error.code}: {error}")
        expect((error.data or {}).get("sessionId") == session_id, f"the error's data is {error.data}")
    else:
        raise StepError(f"the prompt was answered with {reason}")


async def close(run: Run) -> str:
    session_id = await run.session()
    turn = asyncio.create_task(run.ask(session_id, "/test wait"))
    await run.editor.until(lambda: len(run.editor.texts(session_id)) >= 1)
    await run.agent.close_session(session_id=session_id)
    expect(await turn == "cancelled", f"the prompt ended with {turn.result()}")
    answered = run.wire.answered_methods()[-2:]
    expect(answered == ["session/prompt", "session/close"], f"the answers came in the order {answered}")
    await _expect_not_found(run, session_id)
    return "prompt cancelled, session gone"


async def end_of_input(run: Run) -> str:
    started_at = monotonic()
    run.process.stdin.close()
    status = await run.process.wait()
    took_s = monotonic() - started_at
    expect(status == 0, f"the exit status is {status}")
    expect(took_s < 2, f"the agent exited {took_s:.1f} s after the end of its input")
    return f"exited after {took_s:.2f} s"


async def no_complaints(run: Run) -> str:
    expect(not run.wire.out_of_turn, f"updates outside a turn: {run.wire.out_of_turn[:5]}")
    expect(not run.complaints.lines, "\n".join(run.complaints.lines[:5]))
    return "every frame was valid and in its turn"


# Version 0.12 has no such route.
DELETE_STEPS: tuple[Step, ...] = (delete,) if hasattr(acp.Agent, "delete_session") else ()
WITH_FS: tuple[Step, ...] = (
    initialize, new_session, stream, order, permission_allow, permission_reject, fs_read, terminal,
    cancel_waiting, cancel_streaming, cancel_asking, two_sessions, many_sessions, big_prompt, big_image,
    unknown_session, *SESSION_STEPS, *DELETE_STEPS, close, end_of_input, no_complaints,
)  # fmt: skip
WITHOUT_FS: tuple[Step, ...] = (
    initialize, new_session, permission_allow, permission_reject, fs_read, close, end_of_input, no_complaints,
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    command, workspace = json.loads(arguments[0]), os.path.realpath(arguments[1])
    offers_fs = "--without-fs" not in arguments[2:]
    ok = asyncio.run(drive(WITH_FS if offers_fs else WITHOUT_FS, command, workspace, offers_fs=offers_fs))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
