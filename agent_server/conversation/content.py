"""What a message or a tool result may hold, free of any protocol's or model's spelling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TextPart:
    """Plain text or Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image: ``data`` is base64."""

    data: str
    mime_type: str
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class AudioPart:
    """A sound: ``data`` is base64."""

    data: str
    mime_type: str


@dataclass(frozen=True, slots=True)
class LinkPart:
    """A reference to something that can be read by its uri."""

    uri: str
    name: str
    mime_type: str | None = None
    title: str | None = None
    description: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ResourcePart:
    """Something embedded whole: either ``text`` or ``blob`` (base64) is set."""

    uri: str
    text: str | None = None
    blob: str | None = None
    mime_type: str | None = None


Part: TypeAlias = TextPart | ImagePart | AudioPart | LinkPart | ResourcePart


def text_of(parts: Iterable[Part]) -> str:
    """The text of the text parts, concatenated; everything else is left out (Req: QU-10)."""
    texts = [part.text for part in parts if type(part) is TextPart]
    return texts[0] if len(texts) == 1 else "".join(texts)


def encodable(text: str) -> str:
    """The text without lone surrogates, which cannot be written as UTF-8; everything that enters a log can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
