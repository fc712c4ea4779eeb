"""How a session becomes live: with an empty log, behind a log that was read, or in the place of one that crashed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from agent_server.conversation.events import (
    ArchivedChanged,
    Event,
    OptionChanged,
    SessionCreated,
    SystemNote,
    SystemPromptSet,
)
from agent_server.sessions.policy import restored
from agent_server.sessions.timestamps import later, rfc3339

if TYPE_CHECKING:
    from agent_server.sessions.session import Session

LOG_LOST: Final = "The session was restarted, and its history cannot be read any more: it begins anew."


def begin(session: Session) -> None:
    """Write the beginning of an empty log; the session is live."""
    _write_beginning(session)
    session.now_lives()


def resume(
    session: Session, repairs: Collection[Event], updated_ms: int, *, damage: str | None = None
) -> None:
    """Go on behind a log that was read; the session is live. ``damage`` is what the user must know of that log.

    What narrows its policy holds on, and nothing that widens it, whatever was before (Req: ST-06, PL-06). ``repairs``
    end what the log leaves open; with them it has changed since ``updated_ms``.
    """
    session.updated_ms = updated_ms
    if repairs:
        session.log.append(*repairs)
        session.touch()
    if damage is not None:
        session.log.append(SystemNote(session.next_entry_id(), "error", damage))
    _restore_mode(session, session.record.mode)
    session.work_in(session.workspace)
    if session.spec.system_prompt is not None:
        session.set_system_prompt(session.spec.system_prompt)
    session.now_lives()


def succeed(
    session: Session, former: Session, repairs: Collection[Event] | None, damage: str | None = None
) -> None:
    """Take the place of an instance that crashed, and its clients with it; the session is live (Req: SM-16).

    ``repairs`` and ``damage`` are as for `resume`; no repairs at all say that the log could not be read, and that this
    one is empty. Where this raises, the clients are the former instance's still.
    """
    session.restarts = former.restarts + 1
    clients, former.log.attachments = former.log.attachments, []
    try:
        for client in clients:
            client.succeeded(session)
        session.log.attachments = clients  # before anything is appended: they are to see how it ended what was open
        if repairs is not None:
            resume(session, repairs, former.updated_ms, damage=damage)
        else:
            _begin_anew(session, former)
    except BaseException:
        session.log.attachments, former.log.attachments = [], clients
        raise


def _begin_anew(session: Session, former: Session) -> None:
    session.updated_ms = later(former.updated_ms)
    _write_beginning(session)
    session.log.append(SystemNote(session.next_entry_id(), "error", LOG_LOST))
    if former.archived:
        session.log.append(ArchivedChanged(True))
    _restore_mode(session, former.policy.mode)
    session.now_lives()


def _write_beginning(session: Session) -> None:
    created_at, spec = rfc3339(session.updated_ms), session.spec
    roots = tuple(session.workspace.roots)
    created = SessionCreated(session.cwd, roots, created_at, session.model, spec.metadata, spec.llm_config)
    note = SystemNote(session.next_entry_id(), "info", f"Session started at {created_at}.")
    more: list[Event] = []
    if spec.system_prompt is not None:
        more.append(SystemPromptSet(spec.system_prompt))
    if spec.thought_level is not None:
        more.append(OptionChanged("thought_level", spec.thought_level))
    session.log.append(created, note, *more)


def _restore_mode(session: Session, mode: str) -> None:
    session.policy.mode = restored(mode)
    if session.record.mode != session.policy.mode:
        session.log.append(OptionChanged("mode", session.policy.mode))
