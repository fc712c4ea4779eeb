"""Notices: what people should know now and what is no part of the conversation.

A client that cannot show notices is told nothing, so nothing may depend on one. Spec: session-notices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent_server.conversation.events import NoticeRaised, NoticeSeverity
from agent_server.conversation.redaction import redacted_text
from agent_server.conversation.visible import visible

if TYPE_CHECKING:
    from agent_server.sessions.log import SessionLog

MAX_TITLE_CHARS: Final = 200
MAX_DESCRIPTION_CHARS: Final = 4000

_UNTITLED: Final[dict[NoticeSeverity, str]] = {"info": "Notice", "warning": "Warning", "error": "Error"}


def raise_notice(log: SessionLog, severity: NoticeSeverity, title: str, description: str | None = None) -> None:
    """Tell everybody who watches the session.

    ``title`` becomes one line that can stand alone, ``description`` may have several; both are plain text, with every
    character made visible, cut where they are long, and without what looks like a secret (Req: EV-02).
    """
    shown = _cut(redacted_text(visible(" ".join(title.split()))), MAX_TITLE_CHARS) or _UNTITLED[severity]
    log.append(NoticeRaised(severity, shown, _description(description)))


def _description(text: str | None) -> str | None:
    lines = (text or "").strip().splitlines()
    return _cut("\n".join(redacted_text(visible(line)) for line in lines), MAX_DESCRIPTION_CHARS) or None


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def tell_saving(log: SessionLog, error: str | None) -> None:
    """Say that a session cannot be saved, and why; or, without an ``error``, that it is saved again."""
    if error is None:
        log.append(NoticeRaised("info", "This session is saved again"))
    else:
        why = f"{error}. It goes on, and what is new is kept in memory until the disk works again."
        log.append(NoticeRaised("error", "This session cannot be saved", why))
