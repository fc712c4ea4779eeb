"""Broken in methods that are no part of the protocol yet."""

from __future__ import annotations

from typing import Any, ClassVar

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.state import Session
from conformance.mutants.turns import Turn
from conformance.mutants.wire import INTERNAL_ERROR, Json, Refused


@mutant("archives-once", "unstable.archive", "Refuses to archive what is archived.")
class ArchivesOnce(Agent):
    def session_archive(self, params: Json, request_id: Any) -> Any:
        if self.known(params).archived:
            raise Refused(INTERNAL_ERROR, "it is archived already")
        return super().session_archive(params, request_id)


@mutant("archived-is-listed", "unstable.archive-hides", "Lists archived sessions among the others.")
class ArchivedIsListed(Agent):
    def in_archive(self, session: Session, params: Json) -> bool:
        return super().in_archive(session, params) or params.get("archived") is None


@mutant("archive-without-list", "unstable.archive-needs-list", "Advertises archives, and no list.")
class ArchiveWithoutList(Agent):
    METHODS: ClassVar = {key: value for key, value in Agent.METHODS.items() if key != "session/list"}

    def capabilities(self) -> Json:
        capabilities = super().capabilities()
        del capabilities["sessionCapabilities"]["list"]
        return capabilities


@mutant("any-archive-filter", "unstable.archive-filter", "Takes a filter that it does not know for none.")
class AnyArchiveFilter(Agent):
    def check_filter(self, params: Json) -> None:
        if params.get("archived") not in ("exclude", "include", "only"):
            params.pop("archived", None)


@mutant("archive-lets-it-run", "unstable.archive-closes", "Archives a session, and lets its prompt run.")
class ArchiveLetsItRun(Agent):
    def session_archive(self, params: Json, request_id: Any) -> Any:
        self.known(params).archived = True
        return {}


@mutant("archives-anything", "unstable.archive-unknown", "Archives sessions that do not exist.")
class ArchivesAnything(Agent):
    def session_archive(self, params: Json, request_id: Any) -> Any:
        return super().session_archive(params, request_id) if params.get("sessionId") in self.sessions else {}


@mutant("no-status", "unstable.status", "Advertises the status of a session, and refuses it.")
class NoStatus(Agent):
    def session_status(self, params: Json, request_id: Any) -> Any:
        raise Refused(INTERNAL_ERROR, "nobody knows")


@mutant("status-opens", "unstable.status-changes-nothing", "Opens a session that is asked for its status.")
class StatusOpens(Agent):
    def session_status(self, params: Json, request_id: Any) -> Any:
        answer = super().session_status(params, request_id)
        session = self.known(params)
        session.live = not session.live
        return answer


@mutant("title-not-listed", "unstable.title-stored", "Lists a title otherwise than it was answered.")
class TitleNotListed(Agent):
    def session_set_title(self, params: Json, request_id: Any) -> Any:
        answer = super().session_set_title(params, request_id)
        self.known(params).title = "Untitled"
        self.given = answer["title"]
        return answer

    def give_title(self, turn: Turn, text: str) -> None:
        turn.session.title = getattr(self, "given", turn.session.title)
        super().give_title(turn, text)


@mutant("title-replaced", "unstable.title-kept", "Replaces a title of the user by one of its own.")
class TitleReplaced(Agent):
    def give_title(self, turn: Turn, text: str) -> None:
        turn.session.title = None
        super().give_title(turn, text)


@mutant("any-title", "unstable.title-invalid", "Makes a text of a title that is none.")
class AnyTitle(Agent):
    def session_set_title(self, params: Json, request_id: Any) -> Any:
        return super().session_set_title({**params, "title": str(params.get("title")) or "Untitled"}, request_id)


@mutant("fork-is-the-original", "unstable.fork", "Answers a fork with the session that was forked.")
class ForkIsTheOriginal(Agent):
    def session_fork(self, params: Json, request_id: Any) -> Any:
        return self.made(self.known(params))


@mutant("fork-moves", "unstable.fork-leaves-the-original", "Closes the session that was forked.")
class ForkMoves(Agent):
    def session_fork(self, params: Json, request_id: Any) -> Any:
        answer = super().session_fork(params, request_id)
        self.known(params).live = False
        return answer


@mutant("auth-status-needs-login", "unstable.auth-status", "Refuses to tell the state of the login without a login.")
class AuthStatusNeedsLogin(Agent):
    def auth_status(self, params: Json, request_id: Any) -> Any:
        if not self.logged_in:
            raise Refused(-32000, "log in first")
        return super().auth_status(params, request_id)


@mutant("plans-with-ids-unasked", "unstable.plan-only-when-offered", "Sends plans with ids to everybody.")
class PlansWithIdsUnasked(Agent):
    def offers(self, *path: str) -> bool:
        return path == ("plan",) or super().offers(*path)
