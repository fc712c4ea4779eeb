"""Work that changes files in several calls: edits one by one under a plan, replacing in many files, appending."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from agent_server.conversation.events import PlanEntry
from agent_server.providers.offline.results import code, counted, cut_note, first_line, matches, trouble
from agent_server.providers.offline.steps import Call, Flow, Step


class Change(NamedTuple):
    """One call that changes ``path``; ``doing`` and ``done`` say so before and after."""

    path: str
    doing: str
    done: str
    call: Call


def edit(path: str, old: str, new: str, *, every: bool = False) -> Change:
    """Return the change that replaces one text, or every occurrence of it."""
    arguments = {"path": path, "old_text": old, "new_text": new, **({"replace_all": True} if every else {})}
    return Change(path, f"Edit {code(path)}", f"{code(path)} changed.", Call("edit_file", arguments))


def deletion(path: str) -> Change:
    """Return the change that deletes a file."""
    return Change(path, f"Delete {code(path)}", f"{code(path)} is deleted.", Call("delete_file", {"path": path}))


def change(changes: Sequence[Change], done: tuple[str, ...] = ()) -> Flow:
    """Make the changes one by one; more than one is shown as a plan, behind the entries that are ``done``.

    A change that fails does not stop the others; its entry stays pending.
    """
    failures: dict[int, str] = {}
    planned = len(changes) + len(done) > 1
    for index, each in enumerate(changes):
        plan = _plan(changes, done, index, failures) if planned else ()
        [result] = yield Step(f"{each.doing}." if index == 0 or not planned else "", each.call, plan=plan)
        if result.is_error:
            failures[index] = trouble(result)
    plan = _plan(changes, done, len(changes), failures) if planned else ()
    return Step(_report(changes, failures), plan=plan)


def _plan(
    changes: Sequence[Change], done: tuple[str, ...], now: int, failures: dict[int, str]
) -> tuple[PlanEntry, ...]:
    entries = [PlanEntry(text, status="completed") for text in done]
    for index, each in enumerate(changes):
        made = index < now and index not in failures
        entries.append(
            PlanEntry(each.doing, status="completed" if made else "in_progress" if index == now else "pending")
        )
    return tuple(entries)


def _report(changes: Sequence[Change], failures: dict[int, str]) -> str:
    if len(changes) == 1:
        return failures.get(0) or changes[0].done
    made = len(changes) - len(failures)
    lines = [each.done if i not in failures else f"{code(each.path)}: {failures[i]}" for i, each in enumerate(changes)]
    return "\n".join([f"{made} of {counted(len(changes), 'change')} made.", "", *(f"- {line}" for line in lines)])


def replace_everywhere(old: str, new: str, *, path: str = "", glob: str = "") -> Flow:
    """Replace a text in every file that holds it: search first, then edit what was found."""
    task = f"Find the files that hold {code(old)}"
    where = {**({"path": path} if path else {}), **({"glob": glob} if glob else {})}
    plan = (PlanEntry(task, status="in_progress"), PlanEntry("Edit them"))
    # grep looks at single lines; the edit then checks the whole text.
    pattern = escaped(first_line(old) if "\n" in old else old)
    [found] = yield Step(f"{task}.", Call("grep", {"pattern": pattern, **where}), plan=plan)
    why = trouble(found)
    if why:
        return Step(why)
    paths = matches(found.text)
    if not paths:
        return Step(f"No file that holds {code(old)} was found; nothing was changed.")
    step = yield from change([edit(each, old, new, every=True) for each in paths], done=(task,))
    note = cut_note(found.text)
    return Step(f"{step.text}\n\nNot every match was looked at: {note}", plan=step.plan) if note else step


def escaped(text: str) -> str:
    """Return a regular expression that matches the text itself, in every dialect that grep tools have."""
    return "".join(f"\\{char}" if char in r"\.^$*+?{}[]|()" else char for char in text)


_HEADER = re.compile(r"\Alines \d+-\d+ of \d+\n")
_CUT = re.compile(r"\Alines \d+-\d+ of (\d+)\n.*\n\[cut at [^\n]*\]\Z", re.DOTALL)
_END_LINES = 50


def append(path: str, text: str) -> Flow:
    """Add a line at the end of a file: read it, then replace its end by its end and the line."""
    [result] = yield Step(f"Reading {code(path)} to find its end.", Call("read_file", {"path": path}))
    cut = _CUT.search(result.text)
    if cut:
        lines = int(cut[1])
        [result] = yield Step("", Call("read_file", {"path": path, "offset": max(lines - _END_LINES, 1)}))
    why = trouble(result)
    if why:
        return Step(why)
    if not result.text:
        return Step(f"{code(path)} is not a text file; nothing was changed.")
    old, new = _grown_end(_without_marks(result.text), text)
    if old:
        return (yield from change([edit(path, old, new)]))
    call = Call("write_file", {"path": path, "content": new})
    return (yield from change([Change(path, f"Write {code(path)}", f"{code(path)} changed.", call)]))


def _without_marks(text: str) -> str:
    """Take off what the tool says around the text of a file."""
    return "" if text == "(the file is empty)" else _HEADER.sub("", text, count=1)


def _grown_end(whole: str, line: str) -> tuple[str, str]:
    """Return the shortest run of last lines that occurs once, and the same with the new line behind it."""
    line_break = "\r\n" if "\r\n" in whole else "\n"
    body = whole.removesuffix("\n").removesuffix("\r")
    start, lines = len(body), 0
    while start > 0 and lines < _END_LINES:
        lines += 1
        start = body.rfind("\n", 0, start - 1) + 1
        tail = body[start:]
        if tail.strip() and whole.find(tail) == whole.rfind(tail):
            return tail, f"{tail}{line_break}{line}"
    return whole, f"{whole}{line}{line_break}"
