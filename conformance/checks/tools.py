"""Tool calls."""

from __future__ import annotations

from conformance.case import Case
from conformance.checks.cancelling import cancelled_while_asking
from conformance.registry import check
from conformance.services import say_cancelled
from conformance.situations import Held
from conformance.tool_states import open_calls
from conformance.verdicts import Failure, NotExercised


@check("tool.ends-when-cancelled")
async def calls_end_with_a_cancelled_turn(case: Case) -> None:
    held = Held(say_cancelled)
    async with case.session(services={"session/request_permission": held.serve}) as session:
        asked = await cancelled_while_asking(case, session, held)
        end = await asked.answer()
        calls = open_calls(session.link.transcript, session.id, asked.entry, end)
        if calls is None:
            raise NotExercised("the agent announced no tool call")
        if calls:
            raise Failure(f"left open by the answer: {', '.join(sorted(calls))}")
