"""Steps of the Python client that come back to sessions, and a form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .py_run import Run, Step, expect
from .py_sdk import acp

LIVED = ("/test thought", "/test plan", "/write a.txt one", "/read a.txt", "/run echo from-a-command", "/test image")


def _seen(updates: Sequence[Any]) -> tuple[dict[tuple[str, str], Any], dict[str, Any]]:
    """What a user sees: the messages and the calls in their order, and the state."""
    entries: dict[tuple[str, str], Any] = {}
    state: dict[str, Any] = {}
    for update in updates:
        kind = update.session_update
        wire = update.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"session_update", "field_meta"}
        )
        if kind.endswith("_chunk"):
            said = entries.setdefault((kind, wire["messageId"]), [])
            if said and said[-1]["type"] == wire["content"]["type"] == "text":
                said[-1]["text"] += wire["content"]["text"]
            else:
                said.append(wire["content"])
        elif kind.startswith("tool_call"):
            entries.setdefault(("call", wire["toolCallId"]), {}).update(wire)
        else:
            state[kind] = wire
    return entries, state


async def _load(run: Run, session_id: str) -> list[Any]:
    """Load the session and return the updates that are told of it, whose last is the title."""
    before = len(run.editor.updates[session_id])
    run.wire.speech_begins(session_id)
    answer = await run.agent.load_session(cwd=run.workspace, session_id=session_id)
    expect(answer.modes and answer.config_options, f"the answer is {answer}")

    def told() -> list[Any]:
        return run.editor.updates[session_id][before:]

    # The SDK hands updates on concurrently, so the answer may be here first.
    await run.editor.until(lambda: any(update.session_update == "session_info_update" for update in told()))
    return told()


async def load(run: Run) -> str:
    session_id = await run.session()
    run.editor.choice = "allow_once"
    for text in LIVED:
        reason = await run.ask(session_id, text)
        expect(reason == "end_turn", f"{text}: stopReason is {reason}")
    lived, state = _seen(run.editor.updates[session_id])
    for end in (None, run.agent.close_session):
        if end is not None:
            await end(session_id=session_id)
        told, told_state = _seen(await _load(run, session_id))
        prompts = [said[0]["text"] for (kind, _), said in told.items() if kind == "user_message_chunk"]
        expect(prompts == list(LIVED), f"the user is told to have said {prompts}")
        rest = {key: entry for key, entry in told.items() if key[0] != "user_message_chunk"}
        expect(list(rest.items()) == list(lived.items()), f"lived {lived}, told {rest}")
        for kind in ("plan", "available_commands_update"):
            expect(told_state.get(kind) == state.get(kind), f"{kind} was {state.get(kind)}, is {told_state.get(kind)}")
    return f"{len(lived)} entries, live and closed"


async def resume(run: Run) -> str:
    session_id = await run.session()
    await run.ask(session_id, "/test thought")
    await run.agent.close_session(session_id=session_id)
    before = len(run.editor.texts(session_id))
    answer = await run.agent.resume_session(cwd=run.workspace, session_id=session_id)
    expect(answer.modes.current_mode_id == "ask", f"the mode is {answer.modes.current_mode_id}")
    await run.agent.set_session_mode(session_id=session_id, mode_id="plan")
    options = (await run.agent.set_config_option("mode", session_id, "ask")).config_options
    modes = [option.current_value for option in options if option.id == "mode"]
    expect(modes == ["ask"], f"the modes are {modes}")
    reason = await run.ask(session_id, "/test stream 3 4")
    texts = run.editor.texts(session_id)[before:]
    expect((reason, texts) == ("end_turn", ["xxxx"] * 3), f"{reason}, and the texts are {texts}")
    return "goes on, and the past is not told"


async def list_sessions(run: Run) -> str:
    cwd = run.path("many")
    os.mkdir(cwd)
    made = {(await run.agent.new_session(cwd=cwd, mcp_servers=[])).session_id for _ in range(60)}
    page = await run.agent.list_sessions(cwd=cwd)
    listed, pages = list(page.sessions), 1
    while page.next_cursor is not None:
        page = await run.agent.list_sessions(cwd=cwd, cursor=page.next_cursor)
        listed, pages = [*listed, *page.sessions], pages + 1
    expect(pages > 1, "60 sessions came in one page")
    ids = [info.session_id for info in listed]
    expect(len(ids) == 60 and set(ids) == made, f"{len(ids)} sessions, {len(set(ids) & made)} of them ours")
    return f"60 sessions on {pages} pages"


async def delete(run: Run) -> str:
    session_id = await run.session()
    await run.ask(session_id, "/test noop")
    for _ in range(2):
        await run.agent.delete_session(session_id=session_id)
    listed = (await run.agent.list_sessions()).sessions
    expect(session_id not in [info.session_id for info in listed], "it is still in the list")
    try:
        await run.agent.load_session(cwd=run.workspace, session_id=session_id)
    except acp.RequestError as error:
        expect(error.code == -32002, f"loading it gave {error.code}")
    else:
        expect(False, "it could be loaded")
    return "twice, and gone"


async def form(run: Run) -> str:
    session_id = await run.session()
    reason = await run.ask(session_id, "/test form")
    expect(reason == "end_turn", f"stopReason is {reason}")
    expect(run.last_status(session_id) == "completed", f"the tool call was left {run.last_status(session_id)}")
    fields = list(run.editor.forms[0].requested_schema.properties)
    expect("name" in fields, f"the fields are {fields}")
    return f"{len(fields)} fields"


SESSION_STEPS: tuple[Step, ...] = (load, resume, list_sessions, form)
