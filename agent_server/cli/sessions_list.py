"""The list of sessions, as a table for people or as JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from agent_server.cli.stored import entries
from agent_server.cli.style import one_line, style_for
from agent_server.sessions.timestamps import ms_of, now_ms
from agent_server.store.catalogue import Catalogue, SessionEntry

_ID_CHARS: Final = 8
"""As many digits of an id are enough to name a session in any store that people have."""

_TITLE_CHARS: Final = 48
_AGES: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))

Row = tuple[int, SessionEntry]
"""A session with its number."""


class Wanted(NamedTuple):
    """Which sessions are listed: of one directory, with a text in them, archived ones or the others."""

    cwd: str | None = None
    text: str | None = None
    archived: bool = False

    def holds(self, entry: SessionEntry) -> bool:
        """Whether this session is."""
        if entry.archived != self.archived or (self.cwd is not None and entry.cwd != self.cwd):
            return False
        if self.text is None:
            return True
        said = "\n".join((entry.title or "", entry.first_prompt or "", entry.cwd, entry.session_id))
        return self.text.casefold() in said.casefold()


def wanted_entries(catalogue: Catalogue, wanted: Wanted, limit: int) -> Iterator[Row]:
    """The newest that are wanted. Numbers count all sessions, so that they mean the same whatever is listed."""
    return islice((row for row in enumerate(entries(catalogue), 1) if wanted.holds(row[1])), limit)


def print_table(rows: Iterable[Row]) -> None:
    """One line for each: number, id, age, turns, title, directory."""
    style = style_for(sys.stdout)
    shown = [("#", "ID", "AGE", "TURNS", "TITLE", "DIRECTORY")]
    now = now_ms()
    for number, entry in rows:
        title = one_line(entry.title or entry.first_prompt or "(no prompt yet)", _TITLE_CHARS)
        age = age_of(now - ms_of(entry.updated_at))
        shown.append((str(number), short_id(entry), age, str(entry.turn_count), title, _home(entry.cwd)))
    if len(shown) == 1:
        print("no sessions", file=sys.stderr)
        return
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for index, (number_, id_, age, turns, title, cwd) in enumerate(shown):
        cells = (
            number_.rjust(widths[0]),
            id_.ljust(widths[1]),
            age.rjust(widths[2]),
            turns.rjust(widths[3]),
            title.ljust(widths[4]),
            cwd,
        )
        line = "  ".join(cells)
        print(style.paint(line, "dim") if index == 0 else line)


def print_json(rows: Iterable[Row]) -> None:
    """One object for each."""
    import json

    for number, entry in rows:
        print(json.dumps({"number": number, **_told(entry)}))


def _told(entry: SessionEntry) -> dict[str, Any]:
    told = {
        "sessionId": entry.session_id,
        "title": entry.title,
        "cwd": entry.cwd,
        "additionalDirectories": list(entry.roots[1:]),
        "createdAt": entry.created_at,
        "updatedAt": entry.updated_at,
        "firstPrompt": entry.first_prompt,
        "messageCount": entry.message_count,
        "turnCount": entry.turn_count,
        "model": entry.model,
        "costUsd": entry.cost_usd,
        "archived": entry.archived,
    }
    return {name: value for name, value in told.items() if value is not None}


def named_line(entry: SessionEntry) -> str:
    """A session in one line of a question."""
    title = one_line(entry.title or entry.first_prompt or "(no prompt yet)", _TITLE_CHARS)
    return f"{short_id(entry)}  {title}  {_home(entry.cwd)}"


def short_id(entry: SessionEntry) -> str:
    """The beginning of its id, enough to name it."""
    return entry.session_id.removeprefix("session_")[:_ID_CHARS]


def age_of(ms: int) -> str:
    """How long ago, as one number and a letter: seconds, minutes, hours or days."""
    for unit_ms, letter in _AGES:
        if ms >= unit_ms:
            return f"{ms // unit_ms}{letter}"
    return "0s"


def _home(path: str) -> str:
    home = os.path.expanduser("~")
    inside = path == home or path.startswith(home + os.sep)
    return one_line("~" + path[len(home) :] if inside and home != os.sep else path)
