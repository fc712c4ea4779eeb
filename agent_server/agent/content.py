"""Content between the two vocabularies: the protocol's blocks and the conversation's parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, ResourcePart, TextPart

if TYPE_CHECKING:
    from agent_server.protocol.v1.content import ContentBlock

MAX_SHOWN_CHARS: Final = 1024 * 1024
"""Longer texts inside one update are cut with a mark, so that the frame stays below 8 MiB."""

MAX_SHOWN_DATA_CHARS: Final = 6 * 1024 * 1024


def parts_of(blocks: Iterable[ContentBlock]) -> tuple[Part, ...]:
    """The blocks of a prompt as parts."""
    return tuple([_part_of(block) for block in blocks])


def _part_of(block: Any) -> Part:
    kind = block.type
    if kind == "text":
        return TextPart(block.text)
    if kind == "image":
        return ImagePart(block.data, block.mime_type, block.uri)
    if kind == "audio":
        return AudioPart(block.data, block.mime_type)
    if kind == "resource_link":
        return LinkPart(block.uri, block.name, block.mime_type, block.title, block.description, block.size)
    resource = block.resource
    return ResourcePart(
        resource.uri, getattr(resource, "text", None), getattr(resource, "blob", None), resource.mime_type
    )


def block_of(part: Part) -> dict[str, Any]:
    """A part as a block on the wire; what would not fit into a frame becomes a text that says so."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": shown(part.text)}
    if isinstance(part, ImagePart | AudioPart):
        kind = "image" if isinstance(part, ImagePart) else "audio"
        if len(part.data) > MAX_SHOWN_DATA_CHARS:
            return {"type": "text", "text": f"[{kind} of {len(part.data)} base64 characters not shown]"}
        return {"type": kind, "data": part.data, "mimeType": part.mime_type}
    if isinstance(part, LinkPart):
        return _without_none(
            {
                "type": "resource_link",
                "uri": part.uri,
                "name": part.name,
                "mimeType": part.mime_type,
                "title": part.title,
                "description": part.description,
                "size": part.size_bytes,
            }
        )
    content = {"text": shown(part.text)} if part.text is not None else {"blob": part.blob or ""}
    if len(content.get("blob", "")) > MAX_SHOWN_DATA_CHARS:
        return {"type": "resource_link", "uri": part.uri, "name": part.uri}
    return {"type": "resource", "resource": _without_none({"uri": part.uri, "mimeType": part.mime_type, **content})}


def shown(text: str) -> str:
    """The text, cut with a mark when it is too long for an update."""
    if len(text) <= MAX_SHOWN_CHARS:
        return text
    return f"{text[:MAX_SHOWN_CHARS]}\n[{len(text) - MAX_SHOWN_CHARS} more characters not shown]"


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
