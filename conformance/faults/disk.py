"""A directory as a crash may leave it: after any change, in the middle of a write, or without what was not synced."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

from conformance.faults.strace import Change

SECTOR_BYTES: Final = 512
TORN: Final = 0.1
LONGER: Final = 0.2
DIRECTORY: Final = 0
NEEDLESS: Final = "-shm"


@dataclass
class _File:
    now: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    loose: list[Change] = field(default_factory=list)
    syncing: list[tuple[bytes, int]] = field(default_factory=list)


class Disk:
    """Takes changes one after another.

    ``files``: by number; ``names``: which number a path stands for, `DIRECTORY` for directories.
    """

    def __init__(self) -> None:
        self.files: dict[int, _File] = {}
        self.names: dict[str, int] = {}
        self._safe_names: dict[str, int] = {}
        self._loose_names: list[Change] = []

    def take(self, change: Change, cut: int | None = None) -> None:
        """Carry out a change; of a write only the first ``cut`` bytes, if that is given."""
        file = self.files.setdefault(change.number, _File()) if change.number else _File()
        if change.kind in ("create", "link", "rename", "unlink", "mkdir"):
            _rename(self.names, change)
            self._loose_names.append(change)
        elif change.kind in ("write", "truncate"):
            _write(file.now, change, 0, len(change.data) if cut is None else cut)
            file.loose.append(change)
        elif change.kind == "sync begins":
            file.syncing.append((bytes(file.now), len(file.loose)))
        elif change.kind == "sync ends":
            file.safe, count = file.syncing.pop(0)
            del file.loose[:count]
            file.syncing = [(content, length - count) for content, length in file.syncing]
        elif change.kind == "sync names":
            for loose in self._loose_names:
                if os.path.dirname(loose.path) == change.path:
                    _rename(self._safe_names, loose)
            self._loose_names = [one for one in self._loose_names if os.path.dirname(one.path) != change.path]

    def killed(self) -> dict[str, bytes]:
        """What is there when the process is killed now."""
        return {path: bytes(self.files[number].now) for path, number in self.names.items() if number != DIRECTORY}

    def without_power(self, dice: random.Random, *, names: bool) -> dict[str, bytes]:
        """What may be there when the power fails now: of what was not synced some sectors, some of them torn.

        ``names``: what was done to the names of files in a directory that was not synced may be lost too, the last of
        it first.
        """
        kept = self.names
        if names:
            kept = dict(self._safe_names)
            for change in self._loose_names[: dice.randint(0, len(self._loose_names))]:
                _rename(kept, change)
        return {
            path: _survived(self.files[number], dice)
            for path, number in kept.items()
            if number != DIRECTORY and all(place in kept for place in _above(path))
        }

    def directories(self) -> list[str]:
        """The directories that were made in it."""
        return [path for path, number in self.names.items() if number == DIRECTORY]


def _above(path: str) -> list[str]:
    return [str(place) for place in PurePath(path).parents if str(place) != "."]


def _rename(names: dict[str, int], change: Change) -> None:
    if change.kind in ("create", "link", "rename", "mkdir"):
        names.pop(change.old, None)
        names[change.path] = change.number
    elif change.kind == "unlink":
        names.pop(change.path, None)


def _write(content: bytearray, change: Change, first: int, last: int) -> None:
    """Truncate, or write the bytes ``first`` to ``last`` of what is written."""
    if change.kind == "truncate":
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    begin = change.offset + first
    content.extend(bytes(max(0, begin - len(content))))
    content[begin : change.offset + last] = change.data[first:last]


def _survived(file: _File, dice: random.Random) -> bytes:
    content = bytearray(file.safe)
    for change in file.loose:
        if change.kind == "truncate":
            if dice.random() < 0.5:
                _write(content, change, 0, 0)
            continue
        for first, last in _sectors(change):
            if dice.random() < 0.5:
                torn = dice.randint(first, last) if dice.random() < TORN else last
                _write(content, change, first, torn)
    if dice.random() < LONGER:  # the length was safe, what stands there was not
        content.extend(bytes(max(0, len(file.now) - len(content))))
    return bytes(content)


def _sectors(change: Change) -> Iterator[tuple[int, int]]:
    first = 0
    while first < len(change.data):
        last = min(len(change.data), first + SECTOR_BYTES - (change.offset + first) % SECTOR_BYTES)
        yield first, last
        first = last


def lay_out(contents: dict[str, bytes], directories: Iterable[str], place: Path) -> None:
    """Write such a directory to a place, private as a store is."""
    place.mkdir(mode=0o700, parents=True)
    for name in sorted(directories):
        (place / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, content in contents.items():
        if not path.endswith(NEEDLESS):
            (place / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(place / path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
            try:
                os.write(descriptor, content)
            finally:
                os.close(descriptor)
