"""What can be said about a tool's result without making anything up."""

from __future__ import annotations

import re

from agent_server.providers.offline.steps import Result

REFUSED = "The user refused it."

_REFUSED = r"\buser\b.{0,40}\b(?:refused|rejected|denied|declined)|\b(?:refused|rejected|denied|declined) by the user"
_MATCH = r"(?m)^((?:[A-Za-z]:[\\/])?[^:\n]+):(\d+):"
_ENDING = r"exit code -?\d+|timed out after .{1,40}|killed by \w+"


def trouble(result: Result) -> str:
    """Return one line on why the tool did not work, or nothing if it did."""
    if not result.is_error:
        return ""
    line = first_line(result.text)
    if re.search(_REFUSED, line, re.IGNORECASE):
        return REFUSED
    return f"It failed: {line}" if line else "It failed without saying why."


def command_trouble(result: Result) -> str:
    """Return why a command did not succeed: the tool's last line says how it ended, if it ran at all."""
    if not result.is_error:
        return ""
    last = result.text.rstrip().rpartition("\n")[2].strip()
    return f"The command failed: {last}." if re.fullmatch(_ENDING, last) else trouble(result)


def gist(result: Result) -> str:
    """Return the result itself if it is one short line, else how many lines it has and where they are."""
    lines = [line for line in result.text.splitlines() if line.strip()]
    if not lines:
        return "The result is empty."
    if len(lines) == 1 and len(lines[0]) <= 200:
        return f"The result: {lines[0].strip()}"
    return "The result is in the tool call above."


def matches(text: str) -> list[str]:
    """Return the files that a grep result names, each once, in order."""
    return list(dict.fromkeys(match[1] for match in re.finditer(_MATCH, text)))


def cut_note(text: str) -> str:
    """Return what a result says about having been cut short; nothing if it is whole."""
    last = text.rstrip().rpartition("\n")[2]
    return last.strip("[]") if re.fullmatch(r"\[[^]]*\b(?:shown|cut)\b[^]]*\]", last) else ""


def search_gist(result: Result) -> str:
    """Return how many lines of how many files a grep result shows; what it says itself if there are none."""
    files = matches(result.text)
    lines = len(re.findall(_MATCH, result.text))
    if not lines:
        return gist(result)
    return f"{counted(lines, 'matching line')} in {counted(len(files), 'file')}, shown in the tool call above."


def counted(number: int, noun: str) -> str:
    """Return the number with its noun, in the plural if need be."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_line(text: str) -> str:
    """Return the first line that is not blank, cut at 300 characters."""
    return next((line.strip()[:300] for line in text.splitlines() if line.strip()), "")


def code(text: str, limit: int = 80) -> str:
    """Return the text as inline code on one line, cut at ``limit`` characters."""
    line = " ".join(text.split())
    shown = line if len(line) <= limit else line[: limit - 1] + "…"
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"
