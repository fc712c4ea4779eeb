"""What a response leaves behind besides its text and its tool calls, and must be sent back unchanged. Pure.

Models that reason sign their thoughts, or give them out encrypted, and want all of it back in its place. So the order
of a response's pieces is kept together with what belongs to each. Texts are not kept twice: a piece says only how many
characters of the response's text, or of its thoughts, it has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from agent_server.conversation.messages import AssistantMessage, ToolRequest

PieceKind: TypeAlias = Literal["text", "thought", "tool", "opaque"]


@dataclass(slots=True)
class ReasoningState:
    """The pieces of one response, for the model that gave it. ``origin`` names that model, and who serves it.

    Each item is a JSON object: ``kind``; ``chars`` of a text or a thought; ``call_id`` of a tool call; ``extra``, which
    only the provider understands.
    """

    origin: str
    items: list[dict[str, Any]]


@dataclass(slots=True)
class Piece:
    """One piece of a response, as it is to be sent back."""

    kind: PieceKind
    text: str = ""
    request: ToolRequest | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Layout:
    """Notes the pieces of a response while it streams. A piece goes on until another kind begins, or it is closed."""

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._open = False
        self.needed = False
        """Whether sending the response back needs more than its text and its tool calls."""

    def text(self, chars: int) -> None:
        """The text goes on by so many characters."""
        self._grow("text", chars)

    def thought(self, chars: int) -> None:
        """The thoughts go on by so many characters; none of them: a thought that nobody may read."""
        self._grow("thought", chars)

    def tool(self, call_id: str) -> None:
        """A tool call stands here."""
        self._items.append({"kind": "tool", "call_id": call_id})
        self._open = False

    def opaque(self, extra: dict[str, Any]) -> None:
        """Something stands here that only the provider understands."""
        self._items.append({"kind": "opaque", "extra": extra})
        self._open = False
        self.needed = True

    def mark(self, **extra: Any) -> None:
        """This belongs to the latest piece; of the same name the last one counts.

        Raises:
            IndexError: there is no piece yet.
        """
        self._items[-1].setdefault("extra", {}).update(extra)
        self.needed = True

    def close(self) -> None:
        """What comes next is another piece, also of the same kind."""
        self._open = False

    def state(self, origin: str) -> ReasoningState | None:
        """What is to be kept; None where it is not needed."""
        return ReasoningState(origin, self._items) if self.needed else None

    def _grow(self, kind: PieceKind, chars: int) -> None:
        if self._open and self._items[-1]["kind"] == kind:
            self._items[-1]["chars"] += chars
        else:
            self._items.append({"kind": kind, "chars": chars})
            self._open = True


def pieces_of(message: AssistantMessage, origin: str) -> list[Piece]:
    """A response in the pieces in which this model gave it; one of another model as its text and its calls.

    The thoughts of other models are left out: they mean nothing to this one.
    """
    state = message.reasoning
    if state is None or state.origin != origin:
        texts = [Piece("text", message.text)] if message.text else []
        return texts + [Piece("tool", request=request) for request in message.tool_requests]
    requests = {request.call_id: request for request in message.tool_requests}
    sources = {"text": message.text, "thought": message.thought}
    at = {"text": 0, "thought": 0}
    pieces: list[Piece] = []
    for item in state.items:
        kind, extra = item["kind"], item.get("extra") or {}
        if kind in sources:
            start = at[kind]
            at[kind] = end = start + item["chars"]
            pieces.append(Piece(kind, sources[kind][start:end], extra=extra))
        elif kind == "tool":
            request = requests.get(item["call_id"])
            if request is not None:
                pieces.append(Piece("tool", request=request, extra=extra))
        else:
            pieces.append(Piece("opaque", extra=extra))
    return pieces
