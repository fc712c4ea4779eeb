"""Broken in tool calls, questions, plans and compactions."""

from __future__ import annotations

import os
from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.turns import Ask, Turn
from conformance.mutants.wire import INTERNAL_ERROR, Json, Refused


@mutant("equal-option-ids", "permission.option-ids", "Gives two options of a question the same id.")
class EqualOptionIds(Agent):
    def permission_options(self) -> list[Json]:
        return [*super().permission_options(), {"optionId": "no", "name": "Never", "kind": "reject_always"}]


@mutant("no-way-out", "permission.both-ways", "Offers no way to refuse.")
class NoWayOut(Agent):
    def permission_options(self) -> list[Json]:
        return [option for option in super().permission_options() if option["kind"].startswith("allow")]


@mutant("allowed-is-an-error", "permission.allow", "Fails the prompt when its question is answered with yes.")
class AllowedIsAnError(Agent):
    def say(self, turn: Turn, *texts: str) -> None:
        if texts == ("Done.",):
            raise Refused(INTERNAL_ERROR, "nobody expected that")
        super().say(turn, *texts)


@mutant("rejected-is-an-error", "permission.reject", "Fails the prompt when its question is answered with no.")
class RejectedIsAnError(Agent):
    rejected = False

    def is_allowed(self, answer: Any) -> bool:
        self.rejected = answer.get("outcome", {}).get("optionId") == "no"
        return super().is_allowed(answer)

    def say(self, turn: Turn, *texts: str) -> None:
        if self.rejected and texts == ("I may not.",):
            raise Refused(INTERNAL_ERROR, "the user does not want to")
        super().say(turn, *texts)


@mutant("hangs-at-a-failed-question", "permission.error", "Waits for ever when its question fails.")
class HangsAtAFailedQuestion(Agent):
    def ask(self, method: str, params: Json, answered: Any) -> Any:
        def unless_error(message: Json) -> None:
            if "error" not in message:
                answered(message)

        return super().ask(method, params, unless_error if method == "session/request_permission" else answered)


@mutant("unknown-option-is-a-yes", "permission.unknown-outcome", "Takes an option that it did not offer for a yes.")
class UnknownOptionIsAYes(Agent):
    def is_allowed(self, answer: Any) -> bool:
        outcome = answer.get("outcome") if isinstance(answer, dict) else None
        return isinstance(outcome, dict) and outcome.get("optionId") not in (None, "no")


@mutant("asks-about-nothing", "permission.announced", "Asks about a tool call that it has never described.")
class AsksAboutNothing(Agent):
    def question(self, turn: Turn, call_id: str) -> Ask:
        ask = super().question(turn, call_id)
        ask.params["toolCall"] = {"toolCallId": "call-of-nobody"}
        return ask


@mutant("call-not-introduced", "tool.announced", "Updates a tool call that it has not introduced.")
class CallNotIntroduced(Agent):
    def tool(self, turn: Turn, text: str) -> Any:
        self.move_call(turn, "call-of-nobody", "completed")
        yield from super().tool(turn, text)


@mutant("call-left-open", "tool.ends", "Leaves a tool call in progress at the end of the turn.")
class CallLeftOpen(Agent):
    def move_call(self, turn: Turn, call_id: str, status: str, **fields: Any) -> None:
        if status != "completed" or not fields.get("content"):
            super().move_call(turn, call_id, status, **fields)


@mutant("cancelled-call-left-open", "tool.ends-when-cancelled", "Leaves a tool call of a cancelled turn pending.")
class CancelledCallLeftOpen(Agent):
    def move_call(self, turn: Turn, call_id: str, status: str, **fields: Any) -> None:
        if not turn.cancelled:
            super().move_call(turn, call_id, status, **fields)


@mutant("relative-paths", "tool.absolute-paths", "Names files by paths that are relative to the session's directory.")
class RelativePaths(Agent):
    def begin_call(self, turn: Turn, title: str, kind: str, **fields: Any) -> str:
        for place in fields.get("locations", ()):
            place["path"] = os.path.basename(place["path"])
        return super().begin_call(turn, title, kind, **fields)


@mutant("relative-diff", "tool.absolute-paths", "Names the file of a diff by a relative path.")
class RelativeDiff(Agent):
    def begin_call(self, turn: Turn, title: str, kind: str, **fields: Any) -> str:
        for part in fields.get("content", ()):
            if part["type"] == "diff":
                part["path"] = os.path.basename(part["path"])
        return super().begin_call(turn, title, kind, **fields)


@mutant("line-zero", "tool.lines-from-one", "Counts lines from 0.")
class LineZero(Agent):
    def begin_call(self, turn: Turn, title: str, kind: str, **fields: Any) -> str:
        for place in fields.get("locations", ()):
            place["line"] = 0
        return super().begin_call(turn, title, kind, **fields)


@mutant("plan-deltas", "plan.complete", "Sends only those entries of a plan that have changed.")
class PlanDeltas(Agent):
    def tell_plan(self, turn: Turn, plan_id: str, entries: list[Json]) -> None:
        before = getattr(self, "before", {})
        self.before = {entry["content"]: entry["status"] for entry in entries}
        changed = [entry for entry in entries if before.get(entry["content"]) != entry["status"]]
        super().tell_plan(turn, plan_id, changed)


@mutant("compaction-without-beginning", "compaction.order", "Ends a compaction that never began.")
class CompactionWithoutBeginning(Agent):
    def tell(self, turn: Turn, kind: str, /, **fields: Any) -> None:
        if fields.get("status") == "completed" or not kind.startswith("compaction_"):
            super().tell(turn, kind, **fields)


@mutant("compaction-without-end", "compaction.order", "Leaves a compaction in progress.")
class CompactionWithoutEnd(Agent):
    def tell(self, turn: Turn, kind: str, /, **fields: Any) -> None:
        if kind != "compaction_update" or fields["status"] == "in_progress":
            super().tell(turn, kind, **fields)


@mutant("compaction-id-again", "compaction.order", "Uses the id of a compaction for the next one.")
class CompactionIdAgain(Agent):
    def compact(self, turn: Turn, compaction_id: str) -> None:
        super().compact(turn, compaction_id)
        super().compact(turn, compaction_id)


@mutant("completed-with-error", "compaction.summary-and-error", "Gives a completed compaction an error.")
class CompletedWithError(Agent):
    def tell(self, turn: Turn, kind: str, /, **fields: Any) -> None:
        if kind == "compaction_update" and fields["status"] == "completed":
            fields["error"] = "it was hard"
        super().tell(turn, kind, **fields)


@mutant("failed-with-summary", "compaction.summary-and-error", "Gives a failed compaction a summary.")
class FailedWithSummary(Agent):
    def tell(self, turn: Turn, kind: str, /, **fields: Any) -> None:
        if kind == "compaction_update" and fields["status"] == "completed":
            fields["status"] = "failed"
        super().tell(turn, kind, **fields)
