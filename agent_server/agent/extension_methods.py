"""Our own methods: what a session manager has to say about living sessions, and who hears of their changes.

Req: SM-08..SM-11, SM-14, SM-15, SM-24..SM-26, SM-32, SM-35, ST-01, ST-07..ST-10, ST-15..ST-17.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent_server.agent.editor import EditorWorkspace
from agent_server.agent.setup import invalid
from agent_server.connection.handlers import handles
from agent_server.errors import SessionConflict, SessionNotFound
from agent_server.protocol.extensions import (
    EVENTS_SUBSCRIBE,
    OPT_IN,
    SESSION_CREATED,
    SESSION_INFO,
    SESSION_LIST_LIVE,
    SESSION_LOOKUP,
    SESSION_RESTARTED,
    SESSION_SAVE_FAILED,
    SESSION_SAVE_RECOVERED,
    SESSION_SNAPSHOT,
    SESSION_STATUS,
    SESSION_STATUS_CHANGED,
    SESSION_STOP,
    SESSION_STOPPED,
)

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.connection.connection import Connection
    from agent_server.protocol.extensions.events import EventScope, SubscribeRequest, SubscribeResponse
    from agent_server.protocol.extensions.sessions import (
        ListLiveSessionsRequest,
        ListLiveSessionsResponse,
        LookupSessionRequest,
        LookupSessionResponse,
        SessionDescription,
        SessionInfoRequest,
        SessionSnapshot,
        SessionSnapshotRequest,
        SessionStatusRequest,
        SessionStatusResponse,
        StopSessionRequest,
        StopSessionResponse,
    )
    from agent_server.protocol.method import NotificationMethod
    from agent_server.sessions.session import Session


class ExtensionMethods:
    """Answers for the process: any of its sessions, whoever made it."""

    def __init__(self, connection: Connection, service: AgentService) -> None:
        self.connection = connection
        self._service = service
        self._subscriptions: list[Callable[[], None]] = []
        self._introduced: set[str] = set()
        self._unannounced: set[str] = set()
        self._scope: EventScope | None = None
        if connection.offers(OPT_IN):
            supervisor = service.supervisor
            self._subscriptions = [
                supervisor.on_created.add(self._created),
                supervisor.on_status.add(self._status_changed),
                supervisor.on_restarted.add(self._told_restarted),
                supervisor.on_stopped.add(self._stopped),
                supervisor.on_save_trouble.add(self._save_trouble),
            ]

    @handles(SESSION_LOOKUP)
    def lookup_session(self, params: LookupSessionRequest) -> LookupSessionResponse:
        """The names of a live session (Req: SM-09, SM-10, SM-25)."""
        session = self._named(params.session_id, params.instance_id)
        names = {"sessionId": session.id, "instanceId": session.instance_id, "alias": session.alias}
        return SESSION_LOOKUP.encoded(names)

    @handles(SESSION_INFO)
    def session_info(self, params: SessionInfoRequest) -> SessionDescription:
        """The record of a session that lives or has just ended (Req: SM-26)."""
        from agent_server.agent.descriptions import described

        supervisor = self._service.supervisor
        try:
            session_id = self._named(params.session_id, None).id
        except SessionNotFound:
            session_id = params.session_id
        return SESSION_INFO.encoded(described(supervisor.description(session_id)))

    @handles(SESSION_LIST_LIVE)
    def list_live_sessions(self, params: ListLiveSessionsRequest) -> ListLiveSessionsResponse:
        """All live sessions; a busy one delays nobody (Req: SM-11)."""
        from agent_server.agent.descriptions import described

        sessions = [described(session.info()) for session in self._service.supervisor.live()]
        return SESSION_LIST_LIVE.encoded({"sessions": sessions})

    @handles(SESSION_STOP)
    async def stop_session(self, params: StopSessionRequest) -> StopSessionResponse:
        """Close a session by its handle (Req: SM-08)."""
        supervisor, session_id = self._service.supervisor, params.session_id
        if session_id is None or params.instance_id is not None or supervisor.restarts.pending(session_id) is None:
            session_id = self._named(session_id, params.instance_id).id
        await supervisor.stop(session_id)
        return SESSION_STOP.encoded({})

    @handles(EVENTS_SUBSCRIBE)
    def subscribe(self, params: SubscribeRequest) -> SubscribeResponse:
        """Hear of the client's own sessions only, or of all (Req: SM-32)."""
        if not self._subscriptions:
            raise SessionConflict("not_supported", "the client did not say at initialize that it knows of this")
        self._scope = params.scope
        return EVENTS_SUBSCRIBE.encoded({"scope": params.scope})

    @handles(SESSION_STATUS)
    def session_status(self, params: SessionStatusRequest) -> SessionStatusResponse:
        """What a session is doing (Req: ST-01)."""
        from agent_server.agent.descriptions import snapshot_result

        snapshot = snapshot_result(self._named(params.session_id, None))
        fields = ("status", "activity", "mode", "turnActive")
        return SESSION_STATUS.encoded({name: snapshot[name] for name in fields})

    @handles(SESSION_SNAPSHOT)
    def session_snapshot(self, params: SessionSnapshotRequest) -> SessionSnapshot:
        """Enough to show a session to somebody who has just come (Req: ST-10)."""
        from agent_server.agent.descriptions import snapshot_result

        return SESSION_SNAPSHOT.encoded(snapshot_result(self._named(params.session_id, None)))

    def tell_status(self, session: Session) -> None:
        """The client knows this session from now on: say what its status is, if the client wants that."""
        if self._subscriptions and session.instance_id not in self._introduced:
            self._introduced.add(session.instance_id)
            if session.instance_id in self._unannounced:
                self._unannounced.discard(session.instance_id)
                self._notify_created(session)
            self._notify_status(session, session.status, "initializing")

    def stop_listening(self) -> None:
        """The client has gone."""
        for unsubscribe in self._subscriptions:
            unsubscribe()
        self._subscriptions = []

    def _named(self, session_id: str | None, instance_id: str | None) -> Session:
        """The live session of that id (or alias) and handle.

        Raises:
            SessionNotFound: there is none.
            RpcError: -32602; neither was given.
        """
        supervisor = self._service.supervisor
        if session_id is None and instance_id is None:
            raise invalid("params.sessionId is missing (expected a string, or an instanceId instead)")
        if session_id is None or session_id.startswith("session-"):
            return supervisor.find(alias=session_id, instance_id=instance_id)
        return supervisor.find(session_id=session_id, instance_id=instance_id)

    def _created(self, session: Session) -> None:
        workspace = session.workspace
        if isinstance(workspace, EditorWorkspace) and workspace.is_of(self.connection):
            self._unannounced.add(session.instance_id)  # its client is told when it has the answer that names it
        elif self._scope == "all":
            self._notify_created(session)

    def _status_changed(self, session: Session, status: str, before: str) -> None:
        if self._knows(session):
            session.log.flush()  # what was said before must not come behind this
            self._notify_status(session, status, before)

    def _told_restarted(self, former: Session, session: Session, reason: str) -> None:
        if former.instance_id in self._introduced:
            self._introduced.add(session.instance_id)
        if self._scope != "own" or self._knows(session):
            names = {"oldInstanceId": former.instance_id, "newInstanceId": session.instance_id}
            self._notify(SESSION_RESTARTED, {"sessionId": session.id, **names, "reason": reason})
        self._introduced.discard(former.instance_id)

    def _stopped(self, session: Session, reason: str) -> None:
        if self._scope != "own" or self._knows(session):
            self._notify(SESSION_STOPPED, {**_names(session), "reason": reason})
        self._introduced.discard(session.instance_id)
        self._unannounced.discard(session.instance_id)

    def _knows(self, session: Session) -> bool:
        """Whether the client is to hear what becomes of this session."""
        if session.instance_id in self._introduced:
            return True
        return self._scope == "all" and session.instance_id not in self._unannounced

    def _notify_created(self, session: Session) -> None:
        more = {"alias": session.alias, "cwd": session.cwd, "createdAt": session.created_at}
        self._notify(SESSION_CREATED, {**_names(session), **more})

    def _save_trouble(self, session: Session, error: str | None) -> None:
        if session.instance_id not in self._introduced:
            return
        if error is not None:
            self._notify(SESSION_SAVE_FAILED, {**_names(session), "error": error})
        else:
            self._notify(SESSION_SAVE_RECOVERED, _names(session))

    def _notify_status(self, session: Session, status: str, before: str) -> None:
        change = {"status": status, "previousStatus": before, "at": session.updated_at}
        if status == "terminated" and session.crashed and session.last_error is not None:
            change["error"] = session.last_error
        self._notify(SESSION_STATUS_CHANGED, {**_names(session), **change})

    def _notify(self, method: NotificationMethod[Any], params: dict[str, Any]) -> None:
        if not self.connection.closed:
            self.connection.notify_wire(method, params)


def _names(session: Session) -> dict[str, Any]:
    return {"sessionId": session.id, "instanceId": session.instance_id}
