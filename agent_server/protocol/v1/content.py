"""What messages, prompts and tool results are made of. Spec: content."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from agent_server.protocol.model import Lenient, LenientOptionalList, Model
from agent_server.protocol.v1.numbers import Double, Int64

Role: TypeAlias = Literal["assistant", "user"]


class Annotations(Model):
    """Hints on how to show content and to whom. ``last_modified`` is ISO 8601."""

    audience: LenientOptionalList[Role] = None
    last_modified: Lenient[str] = None
    priority: Lenient[Double] = None


class TextContent(Model):
    """Plain text or Markdown."""

    type: Literal["text"] = "text"
    annotations: Lenient[Annotations] = None
    text: str


class ImageContent(Model):
    """An image; ``data`` is base64."""

    type: Literal["image"] = "image"
    annotations: Lenient[Annotations] = None
    data: str
    mime_type: str
    uri: Lenient[str] = None


class AudioContent(Model):
    """A sound; ``data`` is base64."""

    type: Literal["audio"] = "audio"
    annotations: Lenient[Annotations] = None
    data: str
    mime_type: str


class ResourceLink(Model):
    """A reference to something that the receiver can read itself. ``size`` is in bytes."""

    type: Literal["resource_link"] = "resource_link"
    annotations: Lenient[Annotations] = None
    description: Lenient[str] = None
    mime_type: Lenient[str] = None
    name: str
    size: Lenient[Int64] = None
    title: Lenient[str] = None
    uri: str


class TextResourceContents(Model):
    """The text of an embedded resource."""

    mime_type: Lenient[str] = None
    text: str
    uri: str


class BlobResourceContents(Model):
    """The bytes of an embedded resource, as base64."""

    blob: str
    mime_type: Lenient[str] = None
    uri: str


def _resource_kind(value: Any) -> str:
    if not isinstance(value, dict):
        return "blob" if isinstance(value, BlobResourceContents) else "text"
    return "blob" if "blob" in value and not isinstance(value.get("text"), str) else "text"


EmbeddedResourceResource: TypeAlias = Annotated[
    Annotated[TextResourceContents, Tag("text")] | Annotated[BlobResourceContents, Tag("blob")],
    Discriminator(_resource_kind),
]
"""Told apart by the key they carry, as nothing names their kind; text wins where both are there."""


class EmbeddedResource(Model):
    """A resource embedded whole."""

    type: Literal["resource"] = "resource"
    annotations: Lenient[Annotations] = None
    resource: EmbeddedResourceResource


ContentBlock: TypeAlias = Annotated[
    TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource, Field(discriminator="type")
]
"""One piece of content. The union is closed: an unknown ``type`` is invalid."""
