"""The rules: each reads whole conversations for one requirement."""

from __future__ import annotations

from conformance.rules import frames

__all__ = ["frames"]
