"""``agent-server sessions``: what the store holds, without a server. Reading takes no session over from one that runs.

Req: PE-08, PE-10.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import os
import sqlite3
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from agent_server.config.settings import SettingsError, resolve
from agent_server.errors import AgentServerError
from agent_server.store.catalogue import MemoryCatalogue
from agent_server.store.files import FileStore
from agent_server.store.store import SessionBusy

if TYPE_CHECKING:
    from agent_server.conversation.export import Format
    from agent_server.store.catalogue import Catalogue, SessionEntry
    from agent_server.store.store import EventStore

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2

DESCRIPTION: Final = """\
a session is named by its id, by the beginning of its id, or by its number in the list

exit codes:
    0  done
    1  a session was not found, is in use, or could not be read or written
    2  the command line is wrong
"""
_FORMATS: Final[dict[str, Format]] = {"md": "markdown", "html": "html", "json": "json"}
MAX_DAYS: Final = 36500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``sessions``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = DESCRIPTION
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument("--store-dir", metavar="DIR", help="where the sessions are kept, instead of the usual place")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", parents=[store], help="what sessions there are, the newest first")
    listing.add_argument("--cwd", metavar="DIR", help="only those of this directory")
    listing.add_argument("--limit", metavar="N", type=_whole, default=20, help="at most so many (20)")
    listing.add_argument("--search", metavar="TEXT", help="only those with this in title, first prompt or directory")
    listing.add_argument("--archived", action="store_true", help="only those that were archived")
    listing.add_argument("--json", action="store_true", help="print one JSON object a line")
    show = commands.add_parser("show", parents=[store], help="what happened in a session, for people")
    show.add_argument("session", metavar="ID")
    show.add_argument("--thoughts", action="store_true", help="show all that the model thought")
    export = commands.add_parser("export", parents=[store], help="a session as a document")
    export.add_argument("session", metavar="ID")
    export.add_argument("--format", choices=_FORMATS, help="md, html or json (as the name of FILE ends, else md)")
    export.add_argument("--output", "-o", metavar="FILE", help="write it there, for nobody else to read")
    export.add_argument("--force", action="store_true", help="replace FILE if it exists")
    delete = commands.add_parser("delete", parents=[store], help="remove sessions for good")
    delete.add_argument("sessions", metavar="ID", nargs="+")
    delete.add_argument("--yes", "-y", action="store_true", help="do not ask")
    prune = commands.add_parser("prune", parents=[store], help="remove sessions that nobody has used for long")
    prune.add_argument("--older-than", metavar="DAYS", type=_days, required=True, help="unused for so many days")
    prune.add_argument("--dry-run", action="store_true", help="only say which")


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _days(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= MAX_DAYS):
        raise ValueError
    return value


def run_sessions(options: argparse.Namespace) -> int:
    """Run one of the commands on the store that the settings name; the exit code."""
    from agent_server.cli.compose import open_store

    logging.lastResort = logging.NullHandler()  # what goes wrong is said by the command, in its own words
    try:
        given = {} if options.store_dir is None else {"store_dir": options.store_dir}
        store, catalogue = open_store(resolve(given).settings)
    except SettingsError as error:
        _complain(str(error))
        return USAGE
    try:
        if isinstance(store, FileStore):
            if not os.path.isdir(store.directory):  # nor is it made by looking
                return SessionsCommand(store, MemoryCatalogue()).run(options)
            asyncio.run(_bring_up_to_date(store, catalogue))
        return SessionsCommand(store, catalogue).run(options)
    except (OSError, sqlite3.Error) as error:
        _complain(f"the store cannot be read: {error}")
        return FAILED
    finally:
        store.close(tidy=True)


async def _bring_up_to_date(store: FileStore, catalogue: Catalogue) -> None:
    """Have what servers that died left behind in the catalogue; and everything, where that is new."""
    from agent_server.sessions.entries import Entries
    from agent_server.sessions.indexing import Indexing
    from agent_server.store.leftovers import Leftovers

    entries = Entries(catalogue)
    entries.indexing = Indexing(store, Leftovers(store.directory), entries)
    await entries.page(limit=1)


class SessionsCommand:
    """The commands, on a store and its catalogue."""

    def __init__(self, store: EventStore, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    def run(self, options: argparse.Namespace) -> int:
        """Run one; the exit code. Stops quietly when nobody reads its output any more."""
        try:
            code: int = getattr(self, f"_{options.command}")(options)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered goes nowhere, so that the interpreter does not complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except (AgentServerError, OSError, sqlite3.Error) as error:
            _complain(str(error))
            return FAILED
        return code

    def _list(self, options: argparse.Namespace) -> int:
        from agent_server.cli.sessions_list import Wanted, print_json, print_table, wanted_entries

        cwd = os.path.abspath(options.cwd) if options.cwd is not None else None
        wanted = Wanted(cwd, options.search, options.archived)
        rows = wanted_entries(self._catalogue, wanted, options.limit)
        (print_json if options.json else print_table)(rows)
        return DONE

    def _show(self, options: argparse.Namespace) -> int:
        from agent_server.cli.show_session import shown_lines
        from agent_server.cli.stored import transcript_of
        from agent_server.cli.style import style_for

        transcript = transcript_of(self._store, self._named(options.session))
        for line in shown_lines(transcript, style_for(sys.stdout), thoughts=options.thoughts):
            print(line)
        return DONE

    def _export(self, options: argparse.Namespace) -> int:
        from agent_server.cli.private_files import write_private
        from agent_server.cli.stored import transcript_of
        from agent_server.conversation.export import exported

        entry = self._named(options.session)
        text = exported(transcript_of(self._store, entry), _format(options.format, options.output))
        if options.output is not None:
            write_private(options.output, text, replace=options.force)
        else:
            _print_document(text)
        return DONE

    def _delete(self, options: argparse.Namespace) -> int:
        entries = list({entry.session_id: entry for entry in map(self._named, options.sessions)}.values())
        if not options.yes:
            if not sys.stdin.isatty():
                _complain("there is no terminal to ask at; --yes deletes without asking")
                return USAGE
            if not _confirmed(entries):
                print("nothing was deleted")
                return FAILED
        return FAILED if self._remove(entries) else DONE

    def _prune(self, options: argparse.Namespace) -> int:
        from agent_server.sessions.timestamps import now_ms, rfc3339
        from agent_server.store.catalogue import unused_since

        before = rfc3339(now_ms() - round(options.older_than * 86_400_000))
        entries = unused_since(self._catalogue, before)
        if options.dry_run:
            for entry in entries:
                print(f"would delete {entry.session_id}")
        else:
            self._remove(entries)  # one that is in use is not unused
        return DONE

    def _remove(self, entries: Iterable[SessionEntry]) -> bool:
        """Remove sessions; whether one could not be."""
        failed = False
        for entry in entries:
            try:
                self._store.purge(entry.session_id)
            except (SessionBusy, OSError) as error:
                _complain(str(error))
                failed = True
            else:
                self._catalogue.remove(entry.session_id)
                print(f"deleted {entry.session_id}")
        return failed

    def _named(self, name: str) -> SessionEntry:
        from agent_server.cli.stored import find_entry

        return find_entry(self._catalogue, name)


def _format(given: str | None, output: str | None) -> Format:
    suffix = os.path.splitext(output or "")[1].removeprefix(".").lower()
    return _FORMATS[given or (suffix if suffix in _FORMATS else "md")]


def _print_document(text: str) -> None:
    if sys.stdout.isatty():
        from agent_server.cli.style import safe

        sys.stdout.write(safe(text))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())


def _confirmed(entries: list[SessionEntry]) -> bool:
    from agent_server.cli.sessions_list import named_line

    for entry in entries:
        print(f"  {named_line(entry)}")
    what = "this session" if len(entries) == 1 else f"these {len(entries)} sessions"
    print(f"delete {what} for good? [y/N] ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _complain(text: str) -> None:
    print(f"agent-server sessions: {text}", file=sys.stderr)
