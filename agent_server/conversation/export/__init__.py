"""A session's transcript as a file that people or programs read (Req: PE-10). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from agent_server.errors import AgentServerError

if TYPE_CHECKING:
    from agent_server.conversation.transcript import Transcript

Format: TypeAlias = Literal["markdown", "html", "json"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class EmptySession(AgentServerError):
    """Nobody has said anything in the session: there is nothing to export."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"nobody has said anything in session {session_id} yet")
        self.session_id = session_id


def exported(transcript: Transcript, format_: Format) -> str:
    """The transcript as text that ends with a line end.

    Raises:
        EmptySession: nobody said anything.
    """
    if transcript.empty:
        raise EmptySession(transcript.session_id)
    if format_ == "markdown":
        from agent_server.conversation.export.markdown import markdown

        return markdown(transcript)
    if format_ == "html":
        from agent_server.conversation.export.html import html

        return html(transcript)
    from agent_server.conversation.export.record import json_text

    return json_text(transcript)
