"""What the agent of the mutants does at each prompt that the kit sends (`options.PROMPTS`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from conformance.mutants.turns import Ask, Cancelled, Forever, Late, Script, Turn
from conformance.mutants.wire import Json, Refused, Wire

if TYPE_CHECKING:
    from conformance.mutants.state import Session

ECHOED = 200
PAGE = "https://example.com/consent"


class Prompts(Wire):
    """The scripts of the prompts. ``offered``: the client's capabilities."""

    NOT_REPLAYED = frozenset({"usage_update", "notice", "session_info_update"})

    def __init__(self) -> None:
        super().__init__()
        self.offered: Mapping[str, Any] = {}
        self.unstable = False
        self.counts: dict[str, int] = {}

    def offers(self, *path: str) -> bool:
        """Whether the client has said that it can do this."""
        value: Any = self.offered
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value is True or isinstance(value, dict)

    def fresh(self, kind: str) -> str:
        """An id that was not used before."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}-{self.counts[kind]}"

    # -- updates

    def update(self, session: Session, kind: str, /, **fields: Any) -> None:
        self.notify("session/update", {"sessionId": session.id, "update": {"sessionUpdate": kind, **fields}})

    def tell(self, turn: Turn, kind: str, /, **fields: Any) -> None:
        """An update of a turn, which a load will show again."""
        if kind not in self.NOT_REPLAYED:
            turn.session.history.append({"sessionUpdate": kind, **fields})
        self.update(turn.session, kind, **fields)

    def say(self, turn: Turn, *texts: str) -> None:
        """One message of the agent, in as many pieces as there are texts."""
        message_id = self.fresh("said")
        for text in texts:
            self.tell(turn, "agent_message_chunk", content={"type": "text", "text": text}, messageId=message_id)

    def begin_call(self, turn: Turn, title: str, kind: str, **fields: Any) -> str:
        call_id = self.fresh("call")
        self.tell(turn, "tool_call", toolCallId=call_id, title=title, kind=kind, status="pending", **fields)
        return call_id

    def move_call(self, turn: Turn, call_id: str, status: str, **fields: Any) -> None:
        self.tell(turn, "tool_call_update", toolCallId=call_id, status=status, **fields)

    # -- scripts

    def script(self, turn: Turn, text: str) -> Script:
        """The script that a prompt asks for."""
        words = text.split()
        name = words[1] if words[:1] == ["/test"] and len(words) > 1 else words[0] if words else ""
        script = getattr(self, SCRIPTS.get(name, "plain"))
        made: Script = script(turn, text)
        return made

    def plain(self, turn: Turn, text: str) -> Script:
        self.tell(turn, "agent_thought_chunk", content={"type": "text", "text": "hm"}, messageId=self.fresh("thought"))
        self.say(turn, "You said: ", text[:ECHOED])
        yield from ()

    def busy(self, turn: Turn, text: str) -> Script:
        self.say(turn, "Waiting.")
        yield Forever()

    def permission(self, turn: Turn, text: str) -> Script:
        path = f"{turn.session.cwd}/a.txt"
        content = [{"type": "diff", "path": path, "oldText": "old\n", "newText": "new\n"}]
        call_id = self.begin_call(turn, "Edit a.txt", "edit", content=content)
        try:
            answer = yield self.question(turn, call_id)
        except Refused:
            answer = {}  # a client that cannot ask has not allowed it
        except Cancelled:
            self.move_call(turn, call_id, "failed")
            raise
        if self.is_allowed(answer):
            self.move_call(turn, call_id, "in_progress")
            self.move_call(turn, call_id, "completed")
            self.say(turn, "Done.")
        else:
            self.move_call(turn, call_id, "failed")
            self.say(turn, "I may not.")

    def question(self, turn: Turn, call_id: str) -> Ask:
        call: Json = {"toolCallId": call_id, "title": "Edit a.txt", "kind": "edit", "status": "pending"}
        return Ask(
            "session/request_permission",
            {"sessionId": turn.session.id, "toolCall": call, "options": self.permission_options()},
        )

    def permission_options(self) -> list[Json]:
        return [
            {"optionId": "yes", "name": "Allow", "kind": "allow_once"},
            {"optionId": "always", "name": "Always allow", "kind": "allow_always"},
            {"optionId": "no", "name": "Reject", "kind": "reject_once"},
        ]

    def is_allowed(self, answer: Any) -> bool:
        outcome = answer.get("outcome") if isinstance(answer, dict) else None
        return isinstance(outcome, dict) and outcome.get("optionId") in ("yes", "always")

    def files(self, turn: Turn, text: str) -> Script:
        path = f"{turn.session.cwd}/a.txt"
        call_id = self.begin_call(turn, "Read a.txt", "read", locations=[{"path": path, "line": 1}])
        wanted = []
        if self.offers("fs", "readTextFile"):
            wanted.append(Ask("fs/read_text_file", {"sessionId": turn.session.id, "path": path, "line": 1, "limit": 2}))
        if self.offers("fs", "writeTextFile"):
            target = f"{turn.session.cwd}/copy.txt"
            text_file = {"sessionId": turn.session.id, "path": target, "content": "copy\n"}
            wanted.append(Ask("fs/write_text_file", text_file))
        answers: list[Any] = []
        try:
            if wanted:
                answers = yield wanted
        except Cancelled:
            self.move_call(turn, call_id, "failed")
            raise
        fine = bool(answers) and all(answer is not None for answer in answers)
        self.move_call(turn, call_id, "completed" if fine else "failed")
        self.say(turn, "I have read it." if fine else "I cannot read it.")

    def terminal(self, turn: Turn, text: str) -> Script:
        call_id = self.begin_call(turn, "Run a command", "execute")
        if not self.offers("terminal"):
            self.move_call(turn, call_id, "failed")
            self.say(turn, "There is no terminal.")
            return
        try:
            said = yield from self.in_terminal(turn, call_id, text.split()[2:] or ["true"])
        except Cancelled:
            self.move_call(turn, call_id, "failed")
            raise
        except Refused:
            self.move_call(turn, call_id, "failed")
            self.say(turn, "The terminal failed.")
        else:
            shown = [{"type": "content", "content": {"type": "text", "text": said}}]
            self.move_call(turn, call_id, "completed", content=shown)
            self.say(turn, "It ran.")

    def in_terminal(self, turn: Turn, call_id: str, command: list[str]) -> Any:
        session = turn.session
        wanted = {"sessionId": session.id, "command": command[0], "args": command[1:], "cwd": session.cwd}
        try:
            made = yield Ask("terminal/create", wanted, held=True)
        except Late as late:
            self.release(turn, late.result.get("terminalId"))
            raise
        terminal = {"sessionId": session.id, "terminalId": made.get("terminalId")}
        try:
            live = [{"type": "terminal", "terminalId": terminal["terminalId"]}]
            self.update(session, "tool_call_update", toolCallId=call_id, status="in_progress", content=live)
            yield Ask("terminal/wait_for_exit", terminal)
            output = yield Ask("terminal/output", terminal)
        finally:
            self.release(turn, terminal["terminalId"])
        return str(output.get("output"))

    def release(self, turn: Turn, terminal_id: Any) -> None:
        if terminal_id is not None:
            wanted = {"sessionId": turn.session.id, "terminalId": terminal_id}
            self.ask("terminal/release", wanted, lambda message: None)

    def tool(self, turn: Turn, text: str) -> Script:
        place = {"path": f"{turn.session.cwd}/a.txt", "line": 2}
        call_id = self.begin_call(turn, "Read a.txt", "read", locations=[place], rawInput={"path": "a.txt"})
        self.move_call(turn, call_id, "in_progress")
        self.move_call(turn, call_id, "completed", content=[{"type": "content", "content": _text("second line")}])
        self.say(turn, "I have read it.")
        yield from ()

    def plan(self, turn: Turn, text: str) -> Script:
        plan_id = self.fresh("plan")
        for done in range(4):
            self.tell_plan(turn, plan_id, plan_entries(done))
        self.say(turn, "All is done.")
        yield from ()

    def tell_plan(self, turn: Turn, plan_id: str, entries: list[Json]) -> None:
        if self.unstable and self.offers("plan"):
            self.tell(turn, "plan_update", plan={"type": "items", "planId": plan_id, "entries": entries})
        else:
            self.tell(turn, "plan", entries=entries)

    def usage(self, turn: Turn, text: str) -> Script:
        self.say(turn, "one ", "two ", "three")
        self.tell(turn, "usage_update", used=1200, size=8000)
        yield from ()

    def notice(self, turn: Turn, text: str) -> Script:
        if self.offers("session", "notices"):
            self.tell(turn, "notice", severity="warning", title="The disk is nearly full")
        self.say(turn, "That was it.")
        yield from ()

    def compaction(self, turn: Turn, text: str) -> Script:
        if self.offers("session", "compaction"):
            self.compact(turn, self.fresh("compaction"))
        self.say(turn, "It is shorter now.")
        yield from ()

    def compact(self, turn: Turn, compaction_id: str) -> None:
        self.tell(turn, "compaction_update", compactionId=compaction_id, status="in_progress")
        self.tell(turn, "compaction_summary_chunk", compactionId=compaction_id, content=_text("We spoke."))
        summary = [_text("We spoke.")]
        self.tell(turn, "compaction_update", compactionId=compaction_id, status="completed", summary=summary)

    def form(self, turn: Turn, text: str) -> Script:
        if not self.offers("elicitation", "form"):
            self.say(turn, "What is your name? Tell me in your next prompt.")
            return
        schema = {"type": "object", "properties": {"name": {"type": "string", "title": "Name"}}, "required": ["name"]}
        wanted = {
            "sessionId": turn.session.id,
            "mode": "form",
            "message": "What is your name?",
            "requestedSchema": schema,
        }
        try:
            answer = yield Ask("elicitation/create", wanted)
        except Refused:
            answer = {}
        self.say(turn, "Thank you." if answer.get("action") == "accept" else "Then not.")

    def page(self, turn: Turn, text: str) -> Script:
        if not self.offers("elicitation", "url"):
            self.say(turn, "Please look at our pages.")
            return
        pages = [self.fresh("page"), self.fresh("page")]
        answers = yield [self.open_page(turn, page_id) for page_id in pages]
        for page_id, answer in zip(pages, answers, strict=True):
            if isinstance(answer, dict) and answer.get("action") == "accept":
                self.notify("elicitation/complete", {"elicitationId": page_id})
        self.say(turn, "Thank you for looking.")

    def open_page(self, turn: Turn, page_id: str) -> Ask:
        wanted = {"sessionId": turn.session.id, "mode": "url", "message": "Please agree.", "elicitationId": page_id}
        return Ask("elicitation/create", {**wanted, "url": PAGE})


def plan_entries(done: int) -> list[Json]:
    """Three entries, of which so many are done."""
    states = ["completed"] * done + ["in_progress"] + ["pending"] * 3
    return [
        {"content": content, "priority": "medium", "status": states[number]}
        for number, content in enumerate(("Look", "Think", "Write"))
    ]


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


SCRIPTS = {
    "wait": "busy",
    "perm": "permission",
    "fs": "files",
    "terminal": "terminal",
    "/read": "tool",
    "plan": "plan",
    "usage": "usage",
    "notice": "notice",
    "compact": "compaction",
    "form": "form",
    "url": "page",
}
