"""W3C trace context as it travels in ``_meta``, so that one trace can span both sides of a connection. Pure.

Spec: extensibility (the root keys ``traceparent``, ``tracestate`` and ``baggage`` are reserved for it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_TRACESTATE_CHARS: Final = 4096
MAX_BAGGAGE_CHARS: Final = 8192

_HEX: Final = frozenset("0123456789abcdef")
_FIELD_LENGTHS: Final = (2, 32, 16, 2)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where in a trace something happens.

    Attributes:
        traceparent: ``version-traceid-parentid-flags`` in lower-case hex; None where only baggage travels.
        tracestate: what the tracing systems involved add to it; of no use without ``traceparent``.
        baggage: properties of the application's own; may be private and is left out of ``repr``.
    """

    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None

    def __repr__(self) -> str:
        return f"TraceContext({self.traceparent})"

    @property
    def trace_id(self) -> str | None:
        """The id of the whole trace: 32 hex digits."""
        return None if self.traceparent is None else self.traceparent[3:35]

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any] | None) -> TraceContext | None:
        """What ``_meta`` says of the trace; None if that is nothing. Values that are malformed count as absent."""
        if not meta:
            return None
        parent, baggage = meta.get("traceparent"), meta.get("baggage")
        found = cls(
            traceparent=parent if _is_traceparent(parent) else None,
            baggage=baggage if _is_header(baggage, MAX_BAGGAGE_CHARS) else None,
        )
        if found.traceparent is not None:
            state = meta.get("tracestate")
            return cls(parent, state if _is_header(state, MAX_TRACESTATE_CHARS) else None, found.baggage)
        return found if found.baggage is not None else None

    def to_meta(self, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A ``_meta`` with this trace at its root, and everything else that stood in ``meta``."""
        merged = {name: value for name, value in (meta or {}).items() if name not in _KEYS}
        values = (self.traceparent, self.tracestate, self.baggage)
        merged.update((name, value) for name, value in zip(_KEYS, values, strict=True) if value is not None)
        return merged


_KEYS: Final = ("traceparent", "tracestate", "baggage")


def _is_traceparent(value: Any) -> bool:
    if type(value) is not str:
        return False
    fields = value.split("-")
    if tuple(map(len, fields[:4])) != _FIELD_LENGTHS or not all(_HEX.issuperset(field) for field in fields[:4]):
        return False
    version, trace_id, parent_id = fields[:3]
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0"):
        return False
    return len(fields) == 4 or (version != "00" and _is_header(value, 512))


def _is_header(value: Any, limit_chars: int) -> bool:
    """Whether it could be the value of a header: printable ASCII."""
    return type(value) is str and 0 < len(value) <= limit_chars and value.isascii() and value.isprintable()
