"""Slash commands: one function per command, from the text behind its name to the work."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent_server.conversation.events import PlanEntry
from agent_server.providers.offline import edits, files
from agent_server.providers.offline.menu import help_text, usage
from agent_server.providers.offline.quotes import take
from agent_server.providers.offline.results import counted
from agent_server.providers.offline.steps import Flow, Step


class _MisuseError(Exception):
    """The text behind the command's name cannot be read."""


def slash_command(text: str) -> Flow | Step | None:
    """Return the work of a prompt that begins with a slash; None if it begins with a path rather than a command."""
    match = re.match(r"/([A-Za-z][\w-]{0,31})(?=\s|$)", text)
    if match is None:
        return None
    name = match[1].lower()
    command = _COMMANDS.get(name)
    if command is None:
        return Step(f"There is no command `/{match[1]}`. `/help` lists the commands.")
    try:
        return command(text[match.end() :])
    except _MisuseError:
        return Step(usage(name))


def _help(rest: str) -> Step:
    return Step(help_text())


def _ls(rest: str) -> Flow:
    path, rest = _taken(rest)
    _end(rest)
    return files.list_directory(path)


def _read(rest: str) -> Flow:
    path, rest = _taken(rest)
    lines = re.fullmatch(r"(?::(\d+)(-(\d+)?)?)?\s*", rest)
    if lines and lines[1] is None:
        inside = re.fullmatch(r"(.+?):(\d+)(-(\d+)?)?", path)
        path, first, dash, last = inside.groups() if inside else (path, None, None, None)
    elif lines:
        first, dash, last = lines.groups()
    else:
        raise _MisuseError
    if not path:
        raise _MisuseError
    return files.read_file(path, *_bounds(first, dash, last))


def _bounds(first: str | None, dash: str | None, last: str | None) -> tuple[int | None, int | None]:
    """Read ``a``, ``a-`` or ``a-b`` as the first and the last line."""
    if first is None:
        return None, None
    start = int(first)
    end = int(last) if last else None if dash else start
    if start < 1 or (end is not None and end < start):
        raise _MisuseError
    return start, end


def _search(rest: str) -> Flow:
    regex, rest = _taken(rest)
    glob, rest = _taken(rest)
    _end(rest)
    if not regex:
        raise _MisuseError
    return files.search(regex, glob=glob)


def _find(rest: str) -> Flow:
    pattern, rest = _taken(rest)
    _end(rest)
    if not pattern:
        raise _MisuseError
    return files.find(pattern)


def _edit(rest: str) -> Flow:
    path, rest = _taken(rest)
    if not path:
        raise _MisuseError
    if rest.lstrip().startswith("<<<<<<<"):
        return edits.change([edits.edit(path, old, new) for old, new in _blocks(rest)])
    old, rest = _taken(rest, escapes=True)
    if not old or not rest.strip():
        raise _MisuseError
    new, rest = _taken(rest, escapes=True)
    if rest.strip() not in ("", "all"):
        raise _MisuseError
    return edits.change([edits.edit(path, old, new, every=bool(rest.strip()))])


def _blocks(text: str) -> list[tuple[str, str]]:
    """Read the blocks line by line; every line must belong to one, blank lines between them apart."""
    blocks: list[tuple[str, str]] = []
    old: list[str] = []
    new: list[str] | None = None
    inside = False
    for line in text.strip().replace("\r\n", "\n").split("\n"):
        if not inside:
            if line.strip() and not line.startswith("<<<<<<<"):
                raise _MisuseError
            inside, old, new = bool(line.strip()), [], None
        elif new is None:
            if line.rstrip() == "=======":
                new = []
            else:
                old.append(line)
        elif line.startswith(">>>>>>>"):
            blocks.append(("\n".join(old), "\n".join(new)))
            inside = False
        else:
            new.append(line)
    if inside or not blocks or not all(old for old, _ in blocks):
        raise _MisuseError
    return blocks


def _write(rest: str) -> Flow:
    line, _, following = rest.partition("\n")
    path, text = _taken(line)
    text = text.strip()
    if not path or not (text or following):
        raise _MisuseError
    if not text:
        return files.write_file(path, following if following.endswith("\n") else following + "\n")
    whole = f"{text}\n{following}" if following else text
    quoted = take(whole, escapes=True) if whole[0] in "\"'`" else None
    return files.write_file(path, quoted[0] if quoted and not quoted[1].strip() else whole)


def _run(rest: str) -> Flow:
    command = rest.strip()
    if not command:
        raise _MisuseError
    return files.run_command(command)


def _todo(rest: str) -> Step:
    entries = tuple(entry for item in re.split(r"[;\n]", rest) if (entry := _todo_entry(item)))
    if not entries:
        raise _MisuseError
    done = sum(entry.status == "completed" for entry in entries)
    active = sum(entry.status == "in_progress" for entry in entries)
    return Step(f"{counted(len(entries), 'task')}: {done} done, {active} in progress.", plan=entries)


def _todo_entry(item: str) -> PlanEntry | None:
    match = re.match(r"(?:[-*]\s+)?(?:\[([ xX~])\]\s*)?", item := item.strip())
    text = item[match.end() :] if match else item
    if not text:
        return None
    mark = ((match and match[1]) or " ").lower()
    return PlanEntry(text, status="completed" if mark == "x" else "in_progress" if mark == "~" else "pending")


def _test(rest: str) -> Step:
    return Step("`/test` needs a word behind it on the same line, such as `/test noop`.")


def _taken(text: str, *, escapes: bool = False) -> tuple[str, str]:
    taken = take(text, escapes=escapes)
    if taken is None:
        raise _MisuseError
    return taken


def _end(rest: str) -> None:
    if rest.strip():
        raise _MisuseError


_COMMANDS: dict[str, Callable[[str], Flow | Step]] = {
    "help": _help,
    "ls": _ls,
    "read": _read,
    "search": _search,
    "find": _find,
    "edit": _edit,
    "write": _write,
    "run": _run,
    "todo": _todo,
    "test": _test,
}
