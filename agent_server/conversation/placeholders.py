"""What a model reads in place of an image or a sound that it cannot take. Pure.

The conversation keeps what was there, for people and for a model that can take it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from agent_server.conversation.content import AudioPart, ImagePart, Part, ResourcePart, TextPart
from agent_server.conversation.messages import AssistantMessage, ModelMessage
from agent_server.conversation.visible import visible

Medium = Literal["image", "audio"]


def described(message: ModelMessage, *, images: bool, audio: bool) -> ModelMessage:
    """The message as it is, or with texts in place of the images or the sounds."""
    if isinstance(message, AssistantMessage):
        return message
    taken = {"image": images, "audio": audio, None: True}
    if all(taken[medium_of(part)] for part in message.parts):
        return message
    parts = tuple(part if taken[medium_of(part)] else placeholder(part) for part in message.parts)
    return replace(message, parts=parts)


def medium_of(part: Part) -> Medium | None:
    """What a model needs eyes or ears for; an embedded file counts by its type."""
    if isinstance(part, ImagePart):
        return "image"
    if isinstance(part, AudioPart):
        return "audio"
    if isinstance(part, ResourcePart) and part.blob is not None:
        family = (part.mime_type or "").partition("/")[0].lower()
        return "image" if family == "image" else "audio" if family == "audio" else None
    return None


def placeholder(part: Part) -> TextPart:
    """One line: what it is, its type, its size."""
    data = part.blob if isinstance(part, ResourcePart) else getattr(part, "data", None)
    size = len(data or "") * 3 // 4 - (data or "")[-2:].count("=")
    mime_type = visible(getattr(part, "mime_type", None) or "unknown type")[:100]
    kind = "An image" if medium_of(part) == "image" else "An audio recording"
    return TextPart(f"[{kind} ({mime_type}, {size:,} bytes) was here, which this model cannot take.]")
