"""The search behind the grep tool, as a process of its own.

A regular expression from a model may take forever on the wrong line, and Python cannot interrupt it; a process can be
ended. The request is one JSON argument, the answer one JSON line.

One rule gives the same lines whether ripgrep is there or not: the expression is always Python's, matched against each
line without its ending, in the files that our own walk finds. ripgrep only says, fast, which of those hold the plain
text that every match must hold (`required_text`); where no such text is certain, or ripgrep has trouble, every file is
looked at.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from agent_server.tools.anchored import place
from agent_server.tools.globs import Glob
from agent_server.tools.ignore_rules import files_below
from agent_server.tools.required_text import required_text
from agent_server.tools.text_files import MAX_TEXT_BYTES, decode_text, split_lines

MAX_CPU_S = 60
MAX_LINE_CHARS = 300
# Files named on its command line are searched whatever ignore files say, so what counts is decided here alone. They
# are searched as text, so that what is binary is decided here too.
_RIPGREP_FLAGS = (
    "--no-config", "--files-with-matches", "--null", "--fixed-strings", "--text", "--no-messages", "--color=never",
)  # fmt: skip
_BATCH_BYTES = 24_000 if os.name == "nt" else 200_000
_ARGUMENT_OVERHEAD_BYTES = 16


@dataclass(frozen=True, slots=True)
class LineSearch:
    """What to look for. ``top`` is the root that holds ``start``, which is a directory or one file; both are absolute.

    ``ripgrep`` is the program's path, or None. At most ``limit`` lines are found.
    """

    top: str
    start: str
    pattern: str
    limit: int
    glob: str | None = None
    ignore_case: bool = False
    ripgrep: str | None = None

    def as_argument(self) -> str:
        """The request on a command line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One matching line: ``path`` is relative to the search's start ("" if that is a file), ``number`` is 1-based."""

    path: str
    number: int
    text: str


def compiled(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """The expression, without a word about what may change in later Pythons.

    Raises:
        re.error: it is wrong; also RecursionError and OverflowError for absurd ones.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(pattern, re.IGNORECASE if ignore_case else 0)


def found_lines(search: LineSearch) -> Iterator[FoundLine]:
    """The matching lines, sorted by path, then by number; long ones are cut and marked."""
    expression = compiled(search.pattern, ignore_case=search.ignore_case)
    texts = required_text(search.pattern, ignore_case=search.ignore_case)
    needles = () if search.ignore_case else tuple(text.encode() for text in texts)
    for path in _candidates(search, texts):
        for number, line in enumerate(_lines(search, path, needles), 1):
            if expression.search(line):
                yield FoundLine(path, number, _cut(line))


def _candidates(search: LineSearch, texts: tuple[str, ...]) -> Iterator[str]:
    paths = _paths(search)
    if not (search.ripgrep and texts and os.path.isdir(search.start)):
        yield from paths
        return
    for batch in _batches(paths):
        hits = _ripgrep_hits(search, texts, batch)
        yield from (path for path in batch if hits is None or path in hits)


def _paths(search: LineSearch) -> list[str]:
    if not os.path.isdir(search.start):
        return [""]
    glob = Glob(search.glob) if search.glob else None
    files = (path for path, is_link in files_below(search.top, search.start) if not is_link)
    return sorted(path for path in files if glob is None or glob.matches(path))


def _batches(paths: Iterable[str]) -> Iterator[list[str]]:
    """The paths in runs that fit on a command line."""
    batch: list[str] = []
    size_bytes = 0
    for path in paths:
        size_bytes += len(os.fsencode(path)) + _ARGUMENT_OVERHEAD_BYTES
        if size_bytes > _BATCH_BYTES and batch:
            yield batch
            batch, size_bytes = [], len(os.fsencode(path)) + _ARGUMENT_OVERHEAD_BYTES
        batch.append(path)
    if batch:
        yield batch


def _ripgrep_hits(search: LineSearch, texts: tuple[str, ...], paths: list[str]) -> set[str] | None:
    """Those of the files that hold one of the texts; None if ripgrep had trouble."""
    case = "--ignore-case" if search.ignore_case else "--case-sensitive"
    needles = (f"--regexp={text}" for text in texts)
    argv = [str(search.ripgrep), *_RIPGREP_FLAGS, case, *needles, "--", *(f"./{path}" for path in paths)]
    try:
        done = subprocess.run(argv, check=False, cwd=search.start, stdin=subprocess.DEVNULL, capture_output=True)
    except OSError:
        return None
    if done.returncode not in (0, 1):
        return None
    return {os.fsdecode(name).removeprefix("./") for name in done.stdout.split(b"\0")}


def _lines(search: LineSearch, path: str, needles: tuple[bytes, ...]) -> list[str]:
    data = _data(search, path)
    has_mark = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if needles and not has_mark and not any(needle in data for needle in needles):
        return []
    file = decode_text(data)
    # ripgrep knows no UTF-32, so nobody searches it.
    return [] if file is None or file.encoding.startswith("utf-32") else split_lines(file.text)


def _data(search: LineSearch, path: str) -> bytes:
    """What a file holds; nothing if it is no regular file, too large, or cannot be read."""
    whole = os.path.join(search.start, *path.split("/")) if path else search.start
    below = os.path.relpath(whole, search.top).split(os.sep)
    try:
        with place(search.top, below) as there, open(there.open_to_read(), "rb") as stream:
            status = os.fstat(stream.fileno())
            is_small_file = stat.S_ISREG(status.st_mode) and status.st_size <= MAX_TEXT_BYTES
            return stream.read(MAX_TEXT_BYTES) if is_small_file else b""
    except OSError:
        return b""


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE_CHARS else line[:MAX_LINE_CHARS] + "…"


def main(request: str) -> None:
    """Do one search and print what was found. Ends by itself should nobody be left to end it."""
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    search = LineSearch(**json.loads(request))
    found = []
    for line in found_lines(search):
        found.append([line.path, line.number, line.text])
        if len(found) == search.limit:
            break
    sys.stdout.write(json.dumps(found))


def command_line(search: LineSearch) -> list[str]:
    """How to start this module as a process that sees the same packages as this one, and nothing else of ours."""
    program = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from agent_server.tools.line_search import main"
    return [sys.executable, "-I", "-S", "-c", f"{program}; main(sys.argv[2])", _search_path(), search.as_argument()]


def _search_path() -> str:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return json.dumps([package, *(entry for entry in sys.path if entry)])
