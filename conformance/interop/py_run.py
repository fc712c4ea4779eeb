"""Drives an agent with the official Python SDK through named steps, and prints one JSON line per step."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, TypeAlias

from .py_editor import Complaints, Editor, Wire
from .py_sdk import acp, schema

STEP_S = 30.0
ALL_STEPS_S = 100.0
MAX_FRAME_BYTES = 64 * 1024 * 1024


class StepError(Exception):
    """What the agent did is not what the step expects; the text says both."""


def expect(true: object, detail: str) -> None:
    if not true:
        raise StepError(detail)


class Run:
    """What the steps share: the agent behind the SDK, the editor in front of it, the wire and the workspace."""

    def __init__(self, workspace: str, *, offers_fs: bool) -> None:
        self.workspace = workspace
        self.offers_fs = offers_fs
        self.editor = Editor()
        self.wire = Wire()
        self.complaints = Complaints()
        self.agent: Any = None
        self.process: Any = None

    def path(self, name: str) -> str:
        return os.path.join(self.workspace, name)

    async def session(self) -> str:
        """Open a session on the workspace and return its id."""
        session_id: str = (await self.agent.new_session(cwd=self.workspace, mcp_servers=[])).session_id
        return session_id

    async def ask(self, session_id: str, text: str, *blocks: Any) -> str:
        """Send a prompt and return its stop reason."""
        self.wire.speech_begins(session_id)
        said = schema.TextContentBlock(type="text", text=text)
        answer = await self.agent.prompt(session_id=session_id, prompt=[said, *blocks])
        stop_reason: str = answer.stop_reason
        return stop_reason

    def last_status(self, session_id: str) -> str | None:
        """Return the last status of a tool call in the session."""
        updates = reversed(self.editor.updates[session_id])
        return next((update.status for update in updates if getattr(update, "status", None)), None)

    def contents(self, session_id: str) -> list[Any]:
        """Return what the tool calls of the session were said to hold, update by update."""
        calls = [update for update in self.editor.updates[session_id] if update.session_update.startswith("tool_call")]
        return [content for call in calls for content in call.content or []]

    async def expect_quiet(self, session_id: str) -> None:
        """Fail if anything of a turn arrives for the session, whose prompt has been answered, before another answer."""
        await self.session()
        late = [kind for kind, of in self.wire.out_of_turn if of == session_id]
        expect(not late, f"updates after the response: {late[:3]}")


Step: TypeAlias = Callable[[Run], Awaitable[str]]


async def judge(step: Step, run: Run, budget_s: float) -> bool:
    """Run one step within its time, print its line, and return whether it is ok."""
    ok, detail = False, ""
    try:
        async with asyncio.timeout(max(min(STEP_S, budget_s), 0)):
            detail = await step(run)
            ok = True
    except TimeoutError:
        detail = f"nothing came in {STEP_S:.0f} s (or the {ALL_STEPS_S:.0f} s for all steps are over)"
    except acp.RequestError as error:
        detail = f"error {error.code}: {error} {error.data}"
    except Exception as error:  # noqa: BLE001
        detail = f"{type(error).__name__}: {error}"
    print(json.dumps({"step": step.__name__, "ok": ok, "detail": detail}), flush=True)
    return ok


async def drive(steps: Sequence[Step], command: Sequence[str], workspace: str, *, offers_fs: bool) -> bool:
    """Run the steps against one process of the agent and return whether every one is ok."""
    run = Run(workspace, offers_fs=offers_fs)
    logging.getLogger().addHandler(run.complaints)
    ends_at = monotonic() + ALL_STEPS_S
    async with acp.spawn_agent_process(
        run.editor,
        *command,
        cwd=workspace,
        env=os.environ,
        transport_kwargs={"stderr": None, "limit": MAX_FRAME_BYTES},
        observers=[run.wire],
        use_unstable_protocol=True,
    ) as (run.agent, run.process):
        return all([await judge(step, run, ends_at - monotonic()) for step in steps])
