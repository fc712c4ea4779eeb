"""What an agent did to the files of one directory and wrote to its client, as strace saw it, in order.

Everything that changes the directory becomes a `Change` on numbered files; a file keeps its number when it is renamed.
What is written through mapped memory is not seen (SQLite's ``-shm`` files, which nobody needs after a crash), nor does
reading move the place where a descriptor writes.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from conformance.faults.subject import NotPossible

CALLS: Final = (
    "open,openat,creat,close,write,writev,pwrite64,pwritev,lseek,ftruncate,truncate,fallocate,fsync,fdatasync,"
    "sync_file_range,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
LONGEST_STRING: Final = 1 << 24

Renaming = Literal["link", "rename", "unlink", "mkdir"]
Kind = Literal["create", "truncate", "write", "sync begins", "sync ends", "sync names", "told"] | Renaming


@dataclass(frozen=True)
class Change:
    """One step. ``at``: seconds since the epoch, when the call began.

    create: file ``number`` is named ``path``. truncate: to ``offset`` bytes. write: ``data`` at ``offset``. sync
    begins, sync ends: of file ``number``; what it had at the beginning is safe at the end. link: ``path`` names it too,
    instead of whatever it named. rename: and ``old`` does not any more. unlink: ``path`` names nothing any more. mkdir.
    sync names: of the directory ``path``. told: ``data`` went to the client.
    """

    kind: Kind
    at: float
    number: int = 0
    path: str = ""
    data: bytes = b""
    offset: int = 0
    old: str = ""

    def __str__(self) -> str:
        what = f"file {self.number}" if self.number else ""
        size = f" of {len(self.data)} bytes at {self.offset}" if self.kind == "write" else ""
        return " ".join(filter(None, [self.kind, what, self.path])) + size


def _strace() -> str:
    found = shutil.which("strace")
    if found is None:
        raise NotPossible("strace is not installed; it is needed to see what the agent writes")
    return found


def timing(log: Path) -> list[str]:
    """What stands before the command of an agent whose calls are to be timed; its process stays a child of ours.

    Raises:
        NotPossible: there is no strace here.
    """
    return [_strace(), "-D", "-f", "-T", "-y", "-s", "0", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log)]


def longest_call(log: Path, thread: int, place: Path) -> tuple[float, str]:
    """The longest call that a thread made on the files of a place: its seconds and its name."""
    longest = (0.0, "none")
    with open(log, encoding="ascii", errors="replace") as lines:
        begun = ""
        for line in lines:
            if not line.startswith(f"{thread} "):
                continue
            name, _, rest = line.split(None, 1)[1].partition("(")
            if "<unfinished" in line:
                begun = line
                continue
            if "resumed>" in line:
                name, _, rest = begun.partition(" ")[2].strip().partition("(")
            took = _TOOK.search(line)
            if took is not None and str(place) in rest:
                longest = max(longest, (float(took[1]), name))
    return longest


def command(log: Path) -> list[str]:
    """What stands before the command of an agent that is to be watched.

    Raises:
        NotPossible: there is no strace here.
    """
    options = ["-f", "-ttt", "-y", "-xx", "-s", str(LONGEST_STRING), "-e", f"trace={CALLS}", "-e", "signal=none"]
    return [_strace(), *options, "-o", str(log)]


@dataclass
class _Call:
    name: str
    arguments: str
    began: float
    result: int = 0
    end: str = ""


@dataclass
class _Opened:
    number: int
    append: bool
    offset: int = 0


_KINDS: Final[dict[str, Renaming]] = {
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
    "link": "link",
    "linkat": "link",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "mkdir": "mkdir",
    "mkdirat": "mkdir",
}

_TOOK = re.compile(r"<(\d+\.\d+)>$")
_LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)", re.DOTALL)
_WHOLE = re.compile(r"(\w+)\((.*)\) += (-?\d+)(.*)", re.DOTALL)
_BEGUN = re.compile(r"(\w+)\((.*) ?<unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)(.*)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2}|[^>])*)>)?")


@dataclass
class Watched:
    """Reads traces of one directory. Files keep their numbers from one trace to the next."""

    directory: str
    names: dict[str, int] = field(default_factory=dict)
    _numbers: int = 0
    _sizes: dict[int, int] = field(default_factory=dict)
    _open: dict[int, _Opened] = field(default_factory=dict)

    def read(self, log: Path, wire: int) -> list[Change]:
        """The changes that one process made. ``wire``: the inode of the pipe to its client.

        Raises:
            NotPossible: it did something to the directory that this cannot follow.
        """
        self._open = {}
        told = f"pipe:[{wire}]"
        found: list[tuple[float, Change]] = []
        with open(log, encoding="ascii", errors="replace") as lines:
            for place, (call, ends) in enumerate(_calls(lines)):
                found += [(place, change) for change in self._changes(call, told, ends=ends)]
        return [change for _, change in sorted(found, key=lambda pair: pair[0])]

    def _changes(self, call: _Call, told: str, *, ends: bool) -> Iterator[Change]:
        """What a call does when it begins, and when it ends."""
        name = call.name
        if name in ("fsync", "fdatasync"):
            yield from self._synced(call, ends=ends)
        elif name in ("write", "writev") and _path(call.arguments) == told:
            if not ends and call.result > 0:  # the client may see it from then on
                yield Change("told", call.began, data=_written(call))
        elif not ends or call.result < 0:
            return
        elif name in ("open", "openat", "creat"):
            yield from self._opened(call)
        elif name == "close":
            self._open.pop(_descriptor(call.arguments), None)
        elif name == "lseek":
            if (opened := self._open.get(_descriptor(call.arguments))) is not None:
                opened.offset = call.result
        elif name in ("write", "writev", "pwrite64", "pwritev", "ftruncate", "fallocate"):
            yield from self._changed_content(call)
        else:
            yield from self._changed_names(call)

    def _inside(self, path: str) -> str | None:
        """The path in the directory, "" for itself; None for one elsewhere."""
        if path == self.directory:
            return ""
        return path[len(self.directory) + 1 :] if path.startswith(f"{self.directory}/") else None

    def _opened(self, call: _Call) -> Iterator[Change]:
        path = self._inside(_paths(call.arguments)[0])
        if path is None or "O_DIRECTORY" in call.arguments or path == "":
            return
        flags = call.arguments
        new = path not in self.names
        if new and "O_CREAT" not in flags and call.name != "creat":
            return  # a directory, or a file that was there before: neither is written
        if new:
            self._numbers += 1
            self.names[path] = self._numbers
            self._sizes[self._numbers] = 0
            yield Change("create", call.began, self._numbers, path)
        number = self.names[path]
        if not new and ("O_TRUNC" in flags or call.name == "creat"):
            self._sizes[number] = 0
            yield Change("truncate", call.began, number, path)
        self._open[call.result] = _Opened(number, "O_APPEND" in flags)

    def _synced(self, call: _Call, *, ends: bool) -> Iterator[Change]:
        path = self._inside(_path(call.arguments))
        opened = self._open.get(_descriptor(call.arguments))
        if path is None or call.result < 0:
            return
        if opened is not None:
            yield Change("sync ends" if ends else "sync begins", call.began, opened.number, path)
        elif path in self.names:
            yield Change("sync ends" if ends else "sync begins", call.began, self.names[path], path)
        elif ends:
            yield Change("sync names", call.began, path=path)

    def _changed_content(self, call: _Call) -> Iterator[Change]:
        path = self._inside(_path(call.arguments))
        opened = self._open.get(_descriptor(call.arguments))
        if path is None or path.endswith("-shm"):
            return
        if opened is None or call.name in ("fallocate", "pwritev"):
            raise NotPossible(f"this cannot follow {call.name}({call.arguments[:200]}")
        number = opened.number
        last = _last_number(call.arguments)
        if call.name == "ftruncate":
            self._sizes[number] = last
            yield Change("truncate", call.began, number, path, offset=last)
            return
        data = _written(call)
        offset = last if call.name == "pwrite64" else self._sizes[number] if opened.append else opened.offset
        if call.name != "pwrite64":
            opened.offset = offset + len(data)
        self._sizes[number] = max(self._sizes[number], offset + len(data))
        yield Change("write", call.began, number, path, data, offset)

    def _changed_names(self, call: _Call) -> Iterator[Change]:
        paths = [self._inside(path) for path in _paths(call.arguments)]
        if all(path is None for path in paths):
            return
        kind = _KINDS.get(call.name)
        if kind == "mkdir" and paths[0]:
            yield Change("mkdir", call.began, path=paths[0])
        elif kind == "unlink" and paths[0] in self.names:
            yield Change("unlink", call.began, self.names.pop(str(paths[0])), str(paths[0]))
        elif (kind == "rename" or kind == "link") and paths[0] in self.names and paths[1] is not None:
            old, new = str(paths[0]), paths[1]
            self.names[new] = number = self.names[old]
            if kind == "rename":
                del self.names[old]
            yield Change(kind, call.began, number, new, old=old)
        elif call.name == "truncate" and paths[0] in self.names:
            number, size = self.names[str(paths[0])], _last_number(call.arguments)
            self._sizes[number] = size
            yield Change("truncate", call.began, number, str(paths[0]), offset=size)
        elif kind in ("rename", "link") or call.name in ("symlink", "symlinkat", "truncate", "rmdir"):
            raise NotPossible(f"this cannot follow {call.name}({call.arguments[:200]}")


def _calls(lines: Iterator[str]) -> Iterator[tuple[_Call, bool]]:
    """Every call twice: where it begins and where it ends; its result is known both times."""
    steps: list[tuple[_Call, bool]] = []
    begun: dict[str, _Call] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        thread, at, text = found.groups()
        if whole := _WHOLE.match(text):
            call = _Call(whole[1], whole[2], float(at), int(whole[3]), whole[4])
            steps += [(call, False), (call, True)]
        elif part := _BEGUN.match(text):
            begun[thread] = _Call(part[1], part[2], float(at), -1)
            steps.append((begun[thread], False))
        elif (rest := _RESUMED.match(text)) and thread in begun:
            call = begun.pop(thread)
            call.arguments += rest[2]
            call.result, call.end = int(rest[3]), rest[4]
            steps.append((call, True))
    yield from steps


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _descriptor(arguments: str) -> int:
    found = _DESCRIPTOR.match(arguments)
    return int(found[1]) if found and found[1].lstrip("-").isdigit() else -1


def _path(arguments: str) -> str:
    """What the first argument, a descriptor, stands for."""
    found = _DESCRIPTOR.match(arguments)
    if found is None or found[2] is None:
        return ""
    return os.fsdecode(_bytes(found[2])) if found[2].startswith("\\x") else found[2]


def _paths(arguments: str) -> list[str]:
    """The paths that a call names, absolute; those that are relative to a descriptor too."""
    found: list[str] = []
    for match in _STRING.finditer(arguments):
        path = os.fsdecode(_bytes(match[1]))
        if not path.startswith("/"):
            before = list(_DESCRIPTOR.finditer(arguments[: match.start()]))
            place = next((one for one in reversed(before) if one[2] is not None), None)
            directory = _path(place[0]) if place is not None else ""
            path = os.path.join(directory, path)
        found.append(os.path.normpath(path))
    return found or [""]


def _written(call: _Call) -> bytes:
    """The bytes that a call wrote."""
    pieces = list(_STRING.finditer(call.arguments))
    if any(piece[2] for piece in pieces):
        raise NotPossible("strace cut what was written")
    return b"".join(_bytes(piece[1]) for piece in pieces)[: call.result]


def _last_number(arguments: str) -> int:
    return int(arguments.rpartition(",")[2].strip())
