"""What the conversation tells: the prompt, the files attached to it, and the tool results since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent_server.conversation.content import LinkPart, Part, ResourcePart, TextPart
from agent_server.conversation.messages import AssistantMessage, ModelMessage, ToolResultMessage
from agent_server.providers.offline.steps import Result, Round


def rounds_since(messages: Sequence[ModelMessage], index: int) -> list[Round]:
    """Group the tool results behind the prompt at ``index`` by the response that asked for them."""
    recent = messages[index + 1 :]
    results = {message.call_id: message for message in recent if isinstance(message, ToolResultMessage)}
    return [
        Round(
            [request.name for request in message.tool_requests],
            [Result(results.get(request.call_id)) for request in message.tool_requests],
        )
        for message in recent
        if isinstance(message, AssistantMessage) and message.tool_requests
    ]


def next_call_number(messages: Sequence[ModelMessage]) -> int:
    """Return a number for the next tool call that no earlier call id in this context carries."""
    for message in reversed(messages):
        if type(message) is AssistantMessage:
            numbers = [_number(request.call_id) for request in message.tool_requests]
            if any(numbers):
                return max(numbers) + 1
    return 1


def _number(call_id: str) -> int:
    prefix, _, digits = call_id.partition("-")
    return int(digits) if prefix == "offline" and digits.isdecimal() else 0


def attached_paths(parts: Iterable[Part]) -> list[str]:
    """Return the paths of the files that the prompt links or embeds, each once, in order."""
    paths = [path for part in parts if isinstance(part, LinkPart | ResourcePart) and (path := _path_of(part.uri))]
    return list(dict.fromkeys(paths))


def inlined_text(parts: Iterable[Part]) -> str:
    """Return the prompt's text with each attached file named, quoted, where it stands between the texts."""
    pieces = []
    for part in parts:
        if isinstance(part, TextPart):
            pieces.append(part.text)
        elif isinstance(part, LinkPart | ResourcePart) and (path := _path_of(part.uri)):
            pieces.append(f' "{path}" ')
    return "".join(pieces)


def _path_of(uri: str) -> str:
    if not uri.startswith("file:"):
        return "" if "://" in uri else uri
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(uri).path)
    has_drive = len(path) > 2 and path[0] == "/" and path[2] == ":"
    return path[1:] if has_drive else path
