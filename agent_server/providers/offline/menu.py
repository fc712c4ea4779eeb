"""The slash commands as users see them. Apart from their parsing, because every new session needs this list."""

from __future__ import annotations

from agent_server.providers.provider import Command

COMMANDS: tuple[Command, ...] = (
    Command("help", "Say what the offline provider understands"),
    Command("ls", "List a directory", "[PATH]"),
    Command("read", "Read a file, or some lines of it", "PATH[:FIRST-LAST]"),
    Command("search", "Search in files with a regular expression", "REGEX [GLOB]"),
    Command("find", "Find files by name", "GLOB"),
    Command("edit", "Replace text in a file", 'PATH "OLD" "NEW" [all]'),
    Command("write", "Write a whole file", "PATH TEXT"),
    Command("run", "Run a shell command", "COMMAND"),
    Command("todo", "Show a list of tasks as the plan", "ITEM; [~] ITEM; [x] ITEM"),
)
"""In the order in which they are shown (Req: SK-06)."""


def usage(name: str) -> str:
    """Return the one line that says how a command is written."""
    hint = next((command.hint for command in COMMANDS if command.name == name), None)
    return f"Usage: `/{name} {hint}`" if hint else f"Usage: `/{name}`"


def help_text() -> str:
    """Return what ``/help`` answers: every command, the block form of an edit, and sentences to try."""
    written = (f"/{command.name} {command.hint or ''}".rstrip() for command in COMMANDS)
    lines = [f"- `{text}`: {command.description}." for text, command in zip(written, COMMANDS, strict=True)]
    return "\n".join(["The offline provider understands these commands:", "", *lines, "", _DETAILS])


_DETAILS = """\
Quotes may be `"…"`, `'…'` or backticks; quote what holds blanks. In the texts of `/edit`, and in a `/write` text that \
is quoted as a whole, `\\n`, `\\t`, `\\"` and `\\\\` stand for a line break, a tab, a quote and a backslash. The text \
of `/write` is the rest of the line, or the lines that follow it. Edits of several lines are written as blocks, one \
or more of them:

```
/edit PATH
<<<<<<<
old lines
=======
new lines
>>>>>>>
```

Plain sentences work too:

- `what is in src?`, `show me README.md`, `read lines 3 to 9 of a.py`
- `find *.py`, `where is parse_args used?`, `search for TODO in *.py`
- `replace "a" with "b" in a.txt`, `replace "a" with "b" in all files`, `append "x" to a.txt`
- `create hello.txt with "hi"`, `rename a.txt to b.txt`, `delete old.txt`
- `run the tests`, `run ls -la`"""
