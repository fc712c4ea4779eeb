"""``agent-server schema``: the protocol as JSON Schema, generated from the models that read and write it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``schema``."""
    parser.epilog = "Exit codes: 0 done; 1 with --check, a file is missing or differs; 2 the arguments are wrong or a "
    parser.epilog += "file cannot be written."
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", metavar="DIR", type=Path, help="write every document into this directory")
    what.add_argument("--check", metavar="DIR", type=Path, help="say which files there are not up to date")


def run_schema(options: argparse.Namespace) -> int:
    """Print the documents as one JSON object by file name, or write or check their files; the exit code."""
    from agent_server.protocol.schema.documents import documents, text_of

    made = documents()
    if options.write is None and options.check is None:
        sys.stdout.buffer.write(text_of(made))
        sys.stdout.buffer.flush()
        return 0
    texts = {name: text_of(document) for name, document in made.items()}
    return _check(options.check, texts) if options.write is None else _write(options.write, texts)


def _write(directory: Path, texts: dict[str, bytes]) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_bytes(text)
    except OSError as error:
        print(f"agent-server schema: {error}", file=sys.stderr)
        return 2
    return 0


def _check(directory: Path, texts: dict[str, bytes]) -> int:
    stale = [name for name, text in texts.items() if not _holds(directory / name, text)]
    for name in stale:
        print(f"{directory / name} is not up to date; agent-server schema --write {directory}", file=sys.stderr)
    return DIFFERENT if stale else 0


def _holds(path: Path, text: bytes) -> bool:
    try:
        return path.read_bytes() == text
    except OSError:
        return False
