"""The names of sessions and of their instances."""

from __future__ import annotations

import os
import re
from typing import Final

_UUID4_MASK: Final = 0xF000 << 64 | 0xC000 << 48
_UUID4_MARK: Final = 0x4000 << 64 | 0x8000 << 48
"""The bits that say: a UUID, at random."""

_CHOSEN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}", re.ASCII)
WORKDIR_DIGITS: Final = 16


def new_session_id() -> str:
    """A random UUID of version 4 in hex; `uuid` would spend three times as long on it."""
    number = int.from_bytes(os.urandom(16), "big") & ~_UUID4_MASK | _UUID4_MARK
    return f"session_{number:032x}"


def new_instance_id() -> str:
    """A name for one life of a session."""
    return f"instance_{os.urandom(8).hex()}"


def may_be_chosen(session_id: str) -> bool:
    """Whether somebody may give a session this id: plain characters, and not what an alias looks like."""
    return _CHOSEN.fullmatch(session_id) is not None and not session_id.startswith("session-")


def normalised(path: str) -> str:
    """An absolute path without detours; links are not followed."""
    return "/" + os.path.normpath(path).lstrip("/") if os.sep == "/" else os.path.normpath(path)


def id_for_directory(path: str) -> str:
    """The id of the session that belongs to a directory: every spelling of the path gives the same (Req: SM-06)."""
    from hashlib import sha256

    return f"workdir-{sha256(os.fsencode(normalised(path))).hexdigest()[:WORKDIR_DIGITS]}"
