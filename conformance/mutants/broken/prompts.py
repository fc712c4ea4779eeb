"""Broken in how prompts are taken, answered and cancelled."""

from __future__ import annotations

from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.turns import Turn
from conformance.mutants.wire import INTERNAL_ERROR, INVALID_PARAMS, Json, Refused

SLOW_S = 2.5
DONE = "end_turn"


def blocks_of(params: Json) -> list[Any]:
    blocks = params.get("prompt")
    return blocks if isinstance(blocks, list) else []


def is_asking(turn: Turn) -> bool:
    """Whether the turn was stopped at its question for permission."""
    return any("Edit" in str(update.get("title")) for update in turn.session.history)


class Choosy(Agent):
    """Refuses prompts that hold a certain type of block."""

    unloved = ""

    def session_prompt(self, params: Json, request_id: Any) -> Any:
        if any(isinstance(block, dict) and block.get("type") == self.unloved for block in blocks_of(params)):
            raise Refused(INVALID_PARAMS, f"{self.unloved} is not supported")
        return super().session_prompt(params, request_id)


@mutant("no-images", "prompt.image", "Advertises images, and refuses them.")
class NoImages(Choosy):
    unloved = "image"


@mutant("no-sounds", "prompt.audio", "Advertises sounds, and refuses them.")
class NoSounds(Choosy):
    unloved = "audio"


@mutant("no-resources", "prompt.embedded-resource", "Advertises embedded resources, and refuses them.")
class NoResources(Choosy):
    unloved = "resource"


@mutant("no-links", "prompt.resource-link", "Refuses links to resources.")
class NoLinks(Choosy):
    unloved = "resource_link"


@mutant("one-block", "prompt.several-blocks", "Refuses a prompt of several texts.")
class OneBlock(Agent):
    def session_prompt(self, params: Json, request_id: Any) -> Any:
        texts = [block for block in blocks_of(params) if isinstance(block, dict) and block.get("type") == "text"]
        if len(texts) > 1:
            raise Refused(INVALID_PARAMS, "one text is enough")
        return super().session_prompt(params, request_id)


@mutant("no-content-is-fine", "prompt.missing-content", "Takes a prompt without content for an empty one.")
class NoContentIsFine(Agent):
    def session_prompt(self, params: Json, request_id: Any) -> Any:
        return super().session_prompt({"prompt": [{"type": "text", "text": "hello"}], **params}, request_id)


class Mender(Agent):
    """Replaces blocks that it does not understand."""

    def is_whole(self, block: Any) -> bool:
        raise NotImplementedError

    def session_prompt(self, params: Json, request_id: Any) -> Any:
        blocks = params.get("prompt")
        if isinstance(blocks, list):
            mended = [block if self.is_whole(block) else {"type": "text", "text": "?"} for block in blocks]
            params = {**params, "prompt": mended}
        return super().session_prompt(params, request_id)


@mutant("mends-malformed-blocks", "prompt.malformed-block", "Takes a malformed content block for an empty text.")
class MendsMalformedBlocks(Mender):
    def is_whole(self, block: Any) -> bool:
        kind = block.get("type") if isinstance(block, dict) else None
        needed = {"text": "text", "image": "data", "audio": "data", "resource_link": "uri", "resource": "resource"}
        return isinstance(block, dict) and (kind not in needed or needed[kind] in block)


@mutant("skips-unknown-blocks", "prompt.unknown-block", "Skips content blocks of unknown types.")
class SkipsUnknownBlocks(Mender):
    def is_whole(self, block: Any) -> bool:
        known = ("text", "image", "audio", "resource_link", "resource", None)
        return not isinstance(block, dict) or block.get("type") in known


@mutant("no-stop-reason", "prompt.stop-reason", "Answers the prompt without a stop reason.", "frame.schema")
class NoStopReason(Agent):
    def answer(self, request_id: Any, method: str, result: Any) -> None:
        if method == "session/prompt" and result["stopReason"] == DONE:
            result = {}
        super().answer(request_id, method, result)


@mutant("says-nothing", "prompt.says-something", "Answers the prompt without an update.")
class SaysNothing(Agent):
    def plain(self, turn: Turn, text: str) -> Any:
        content = {"type": "text", "text": "I heard."}
        turn.session.history.append({"sessionUpdate": "agent_message_chunk", "content": content})
        yield from ()

    def give_title(self, turn: Turn, text: str) -> None:
        turn.session.title = turn.session.title or "Untitled"


@mutant("usage-after-the-answer", "prompt.nothing-late", "Reports its usage after the answer to the prompt.")
class UsageAfterTheAnswer(Agent):
    def turn_ended(self, turn: Turn, refused: Refused | None) -> None:
        super().turn_ended(turn, refused)
        if not turn.cancelled:
            self.update(turn.session, "usage_update", used=1200, size=8000)


@mutant("chunk-after-the-answer", "prompt.nothing-late", "Sends the last word of a message after the answer.")
class ChunkAfterTheAnswer(Agent):
    def turn_ended(self, turn: Turn, refused: Refused | None) -> None:
        super().turn_ended(turn, refused)
        if not turn.cancelled:
            self.say(turn, "!")


@mutant("never-the-same-twice", "prompt.again", "Refuses the prompt that it has had right before.")
class NeverTheSameTwice(Agent):
    def __init__(self) -> None:
        super().__init__()
        self.before: Any = None

    def session_prompt(self, params: Json, request_id: Any) -> Any:
        before, self.before = self.before, params.get("prompt")
        if before is not None and before == self.before:
            raise Refused(INTERNAL_ERROR, "we have spoken already")
        return super().session_prompt(params, request_id)

    def serve(self, request_id: Any, method: str, params: Any) -> Any:
        if method != "session/prompt":
            self.before = None
        return super().serve(request_id, method, params)

    def notification(self, method: str, params: Any) -> None:
        self.before = None
        super().notification(method, params)


@mutant("ids-shared", "prompt.message-ids", "Gives the thoughts and the message that follows the same id.")
class IdsShared(Agent):
    def fresh(self, kind: str) -> str:
        made = super().fresh("said" if kind == "thought" else kind)
        if kind == "thought":
            self.counts["said"] -= 1
        return made


@mutant("usage-null", "prompt.usage", "Reports a window that it does not know as null.", "frame.schema")
class UsageNull(Agent):
    def tell(self, turn: Turn, kind: str, /, **fields: Any) -> None:
        if kind == "usage_update":
            fields["size"] = None
        super().tell(turn, kind, **fields)


@mutant("usage-in-the-answer", "prompt.nothing-extra", "Puts the usage into its answer.", "frame.no-foreign-keys")
class UsageInTheAnswer(Agent):
    def answer(self, request_id: Any, method: str, result: Any) -> None:
        if method == "session/prompt":
            result = {**result, "usage": {"totalTokens": 3, "inputTokens": 2, "outputTokens": 1}}
        super().answer(request_id, method, result)


@mutant("cancel-is-an-error", "cancel.stop-reason", "Answers a cancelled prompt with an error.")
class CancelIsAnError(Agent):
    stopping = False

    def session_cancel(self, params: Json) -> None:
        self.stopping = True
        super().session_cancel(params)
        self.stopping = False

    def answer_cancelled(self, turn: Turn) -> None:
        if self.stopping and not is_asking(turn):
            self.refuse(turn.request_id, INTERNAL_ERROR, "the operation was aborted")
        else:
            super().answer_cancelled(turn)


@mutant("cancel-is-the-end", "cancel.stop-reason", "Answers a cancelled prompt as if it were done.")
class CancelIsTheEnd(CancelIsAnError):
    def answer_cancelled(self, turn: Turn) -> None:
        reason = DONE if self.stopping and not is_asking(turn) else "cancelled"
        self.answer(turn.request_id, "session/prompt", {"stopReason": reason})


@mutant("cancels-late", "cancel.soon", "Takes its time to answer a cancelled prompt.")
class CancelsLate(Agent):
    def answer_cancelled(self, turn: Turn) -> None:
        if self.stopping:
            self.later(SLOW_S, lambda: super(CancelsLate, self).answer_cancelled(turn))
        else:
            super().answer_cancelled(turn)

    stopping = False

    def session_cancel(self, params: Json) -> None:
        self.stopping = True
        super().session_cancel(params)
        self.stopping = False


@mutant("talks-after-cancel", "cancel.nothing-after", "Sends a chunk after the answer to a cancelled prompt.")
class TalksAfterCancel(Agent):
    def session_cancel(self, params: Json) -> None:
        session = self.sessions.get(str(params.get("sessionId")))
        busy = bool(session and session.turns)
        super().session_cancel(params)
        if session is not None and busy:
            self.update(session, "agent_message_chunk", content={"type": "text", "text": "I stopped."})


@mutant("idle-cancel-answered", "cancel.idle", "Answers the cancel of a session that does nothing.")
class IdleCancelAnswered(Agent):
    def session_cancel(self, params: Json) -> None:
        session = self.sessions.get(str(params.get("sessionId")))
        if session is not None and not session.turns:
            self.refuse(None, INTERNAL_ERROR, "there is nothing to cancel")
        super().session_cancel(params)


@mutant("idle-cancel-remembered", "cancel.idle", "Cancels the next prompt where there is none to cancel.")
class IdleCancelRemembered(Agent):
    def __init__(self) -> None:
        super().__init__()
        self.remembered: set[str] = set()

    def session_cancel(self, params: Json) -> None:
        session = self.sessions.get(str(params.get("sessionId")))
        if session is not None and not session.turns:
            self.remembered.add(session.id)
        super().session_cancel(params)

    def session_prompt(self, params: Json, request_id: Any) -> Any:
        if str(params.get("sessionId")) in self.remembered:
            self.remembered.discard(str(params.get("sessionId")))
            return {"stopReason": "cancelled"}
        return super().session_prompt(params, request_id)


@mutant("unknown-cancel-answered", "cancel.unknown-session", "Answers the cancel of a session that does not exist.")
class UnknownCancelAnswered(Agent):
    def cancelled_nothing(self, params: Json) -> None:
        if isinstance(params.get("sessionId"), str):
            self.refuse(None, INTERNAL_ERROR, "there is no such session")


@mutant("stays-cancelled", "cancel.prompt-afterwards", "Takes no prompt after a cancelled one.")
class StaysCancelled(Agent):
    def session_cancel(self, params: Json) -> None:
        session = self.sessions.get(str(params.get("sessionId")))
        busy = bool(session and session.turns)
        super().session_cancel(params)
        if session is not None and busy:
            session.live = False


@mutant("cancels-all", "cancel.only-its-session", "Cancels the prompts of all sessions.")
class CancelsAll(Agent):
    def session_cancel(self, params: Json) -> None:
        for session in list(self.sessions.values()):
            self.stop(session)


@mutant("cancel-waits-for-the-question", "cancel.while-asking", "Never answers a prompt cancelled at a question.")
class CancelWaitsForTheQuestion(Agent):
    def answer_cancelled(self, turn: Turn) -> None:
        if not is_asking(turn):
            super().answer_cancelled(turn)


@mutant("asking-cancelled-is-the-end", "cancel.while-asking", "Calls a prompt cancelled at a question done.")
class AskingCancelledIsTheEnd(Agent):
    def answer_cancelled(self, turn: Turn) -> None:
        reason = DONE if is_asking(turn) else "cancelled"
        self.answer(turn.request_id, "session/prompt", {"stopReason": reason})


@mutant("cancel-overtakes", "cancel.right-behind", "Loses a cancel that comes right behind its prompt.")
class CancelOvertakes(Agent):
    def __init__(self) -> None:
        super().__init__()
        self.just_begun: set[str] = set()

    def took(self, data: bytes) -> None:
        super().took(data)
        self.just_begun.clear()

    def session_prompt(self, params: Json, request_id: Any) -> Any:
        self.just_begun.add(str(params.get("sessionId")))
        return super().session_prompt(params, request_id)

    def session_cancel(self, params: Json) -> None:
        if str(params.get("sessionId")) not in self.just_begun:
            super().session_cancel(params)


@mutant("withdrawn-is-an-error", "withdraw.answered", "Answers a prompt that is withdrawn with an error of its own.")
class WithdrawnIsAnError(Agent):
    withdrawing = False

    def cancel_request(self, params: Json) -> None:
        self.withdrawing = True
        super().cancel_request(params)
        self.withdrawing = False

    def answer_cancelled(self, turn: Turn) -> None:
        if self.withdrawing:
            self.refuse(turn.request_id, INTERNAL_ERROR, "the operation was aborted")
        else:
            super().answer_cancelled(turn)


@mutant("unknown-withdrawal-answered", "withdraw.unknown", "Answers the withdrawal of a request that does not exist.")
class UnknownWithdrawalAnswered(Agent):
    def cancel_request(self, params: Json) -> None:
        wanted = params.get("requestId")
        known = [turn.request_id for session in self.sessions.values() for turn in session.turns]
        if wanted is not None and wanted not in known:
            self.refuse(None, INVALID_PARAMS, "there is no such request")
        super().cancel_request(params)
