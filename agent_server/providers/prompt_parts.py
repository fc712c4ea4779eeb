"""The parts of a message as text, images and sounds, for formats that know nothing else. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from agent_server.conversation.content import AudioPart, ImagePart, LinkPart, Part, ResourcePart, TextPart
from agent_server.conversation.placeholders import medium_of

Told: TypeAlias = str | ImagePart | AudioPart

SHOWN_BELOW: Final = "(see below)"
"""Said as the result of a tool that gave nothing but what must be shown behind the results."""

_AUDIO_NAMES: Final = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-m4a": "m4a", "mp4": "m4a"}


def told(parts: Iterable[Part]) -> list[Told]:
    """The parts in their order; texts that follow each other are one, so that a link stays within its sentence."""
    result: list[Told] = []
    for part in _each(parts):
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        elif part != "":
            result.append(part)
    return result


def data_url(part: ImagePart | AudioPart) -> str:
    """The part's own bytes as an address."""
    return f"data:{part.mime_type};base64,{part.data}"


def image_url(part: ImagePart) -> str:
    """Where the image can be read: its own bytes, or its address where it came without them."""
    return data_url(part) if part.data or not part.uri else part.uri


def audio_format(part: AudioPart) -> str:
    """The short word for the sound's type: ``wav``, ``mp3``, …"""
    subtype = part.mime_type.partition(";")[0].rpartition("/")[2].strip().lower()
    return _AUDIO_NAMES.get(subtype, subtype)


def _each(parts: Iterable[Part]) -> Iterator[Told]:
    for part in parts:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, LinkPart):
            yield f"[{part.title or part.name}]({part.uri})"
        elif isinstance(part, ResourcePart):
            yield _embedded(part)
        else:
            yield part


def _embedded(part: ResourcePart) -> Told:
    medium = medium_of(part)
    if part.blob is not None and medium is not None:
        kind = ImagePart if medium == "image" else AudioPart
        return kind(part.blob, part.mime_type or "")
    uri = re.sub(r'["<>\s]', lambda found: f"%{ord(found[0]):02X}", part.uri)
    if part.text is None:
        size = len(part.blob or "") * 3 // 4
        return f"\n[A file of {size:,} bytes ({part.mime_type or 'unknown type'}) was here, at {uri}.]\n"
    return f'\n<resource uri="{uri}">\n{part.text}\n</resource>\n'
