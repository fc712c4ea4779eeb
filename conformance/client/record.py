"""What a scripted agent recorded, read again as conversations."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.schema import Schema
from conformance.transcript import Entry, Transcript

END_OF_INPUT = "the end of the input"
LOGIN = "a login in a terminal"


@dataclass(eq=False)
class Conversation:
    """What one process of the agent said and heard. ``labels``: name -> the request of the agent that has it.

    ``remarks``: what it recorded besides.
    """

    transcript: Transcript
    labels: dict[str, Entry] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def client_requests(self, method: str) -> list[Entry]:
        return [entry for entry in self.transcript.sent_by("client") if entry.is_request and entry.method == method]

    @property
    def initialize(self) -> Entry | None:
        """The client's ``initialize``."""
        return next(iter(self.client_requests("initialize")), None)

    @property
    def offered(self) -> Mapping[str, object]:
        """What the client offers."""
        capabilities = self.initialize.params.get("clientCapabilities") if self.initialize else None
        return capabilities if isinstance(capabilities, dict) else {}


def conversation(path: Path, scene: str, schema: Schema | None) -> Conversation:
    """Read one record; a last line that was not written to its end is left out."""
    found = Conversation(Transcript(f"the scene {scene}", schema=schema))
    for line in path.read_bytes().split(b"\n"):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "note" in row:
            found.remarks.append(row["note"])
            found.transcript.notes.append(f"{row['at']:8.3f} -- {row['note']}")
            continue
        entry = found.transcript.add(row["sender"], row["line"].encode("utf-8", "surrogateescape"))
        entry.at = row["at"]
        if "label" in row:
            found.labels.setdefault(row["label"], entry)
    found.transcript.offered = found.offered
    return found


def still_runs(path: Path) -> bool:
    """Whether the process that writes this record is there: it holds a lock on the file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def end(path: Path) -> None:
    """Kill the process that writes this record, if it is still there."""
    process = re.search(rb"played by the process (\d+)", path.read_bytes())
    if process is not None and still_runs(path):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(int(process[1]), signal.SIGKILL)
