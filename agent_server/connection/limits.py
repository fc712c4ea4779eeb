"""How much a connection sends at once."""

from __future__ import annotations

from typing import Final

MAX_SENT_FRAME_BYTES: Final = 8 * 1024 * 1024
"""Some clients die of longer frames (promise P6)."""

ENVELOPE_BYTES: Final = 32 * 1024
"""Room in a frame for what surrounds params and results: the longest legal id, escaped."""

MAX_UNSENT_BYTES: Final = 1024 * 1024
"""Unsent bytes at which the reader stops taking new work."""
