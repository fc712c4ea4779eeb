"""Running the client, once for each scene, and what was seen of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conformance.client.record import Conversation, conversation, end, still_runs
from conformance.options import Options
from conformance.transcript import Entry, Transcript

AGENT = "{agent}"
SCRIPT = Path(__file__).with_name("scripted_agent.py")
HANGS_UP_S = 2.0
START_S = 60.0
LONGEST_S = 180.0
POLL_S = 0.05
SHOWN_BYTES = 2000


@dataclass(eq=False)
class Played:
    """One run of the client.

    ``conversations``: with each agent that it started, in their order. ``status``: its exit status; None if it did not
    end, and was killed. ``lingered``: whether an agent was still running some time after it had ended. ``not_started``:
    why it could not be run at all.
    """

    scene: str
    conversations: list[Conversation] = field(default_factory=list)
    status: int | None = None
    lingered: bool = False
    not_started: str | None = None

    @property
    def transcripts(self) -> list[Transcript]:
        return [conversation.transcript for conversation in self.conversations]

    @property
    def ending(self) -> str:
        """How it ended, for people."""
        return "it did not end, and was killed" if self.status is None else f"it exited with {self.status}"

    def asked(self, label: str) -> Entry | None:
        """The agent's request of that name, if it came to that."""
        found = (conversation.labels.get(label) for conversation in self.conversations)
        return next((entry for entry in found if entry is not None), None)

    def client_requests(self, method: str) -> list[Entry]:
        return [entry for conversation in self.conversations for entry in conversation.client_requests(method)]

    def remarked(self, text: str) -> bool:
        """Whether an agent recorded this."""
        return any(text in remark for conversation in self.conversations for remark in conversation.remarks)

    @property
    def strays(self) -> list[Entry]:
        """Answers of the client to nothing that was asked."""
        lines = (entry for transcript in self.transcripts for entry in transcript.sent_by("client"))
        return [entry for entry in lines if entry.is_response and entry.asked is None]


async def play(scene: str, command: Sequence[str], options: Options) -> Played:
    """Run the client in an empty directory until it ends, or until nothing has happened for long."""
    played = Played(scene)
    with contextlib.ExitStack() as stack:
        cwd, records = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True))).resolve()
            for prefix in ("conformance-client-", "conformance-record-")
        )
        output = stack.enter_context(tempfile.TemporaryFile())
        agent = [sys.executable, "-I", "-S", str(SCRIPT), scene, str(records), str(options.timeout_s)]
        words = [word.replace(AGENT, shlex.join(agent)) for word in command]
        try:
            async with _started(words, cwd, output.fileno(), options) as process:
                played.status = await _ended(process, records, options)
                played.lingered = played.status is not None and await _linger(records)
        except OSError as error:
            played.not_started = f"the client cannot be started: {error}"
            return played
        finally:
            for path in records.glob("*.jsonl"):
                end(path)
        paths = sorted(records.glob("*.jsonl"))
        played.conversations = [conversation(path, scene, options.schema) for path in paths]
        output.seek(max(0, output.seek(0, os.SEEK_END) - SHOWN_BYTES))
        said = output.read().decode("utf-8", "backslashreplace").strip()
        for transcript in played.transcripts[-1:]:
            transcript.notes.append(f"{_last(transcript):8.3f} -- the client: {played.ending}")
            if said:
                transcript.notes.append(f"{_last(transcript):8.3f} -- the client's output: {said}")
        if not played.conversations:
            played.not_started = f"the client started no agent ({played.ending}){': ' if said else ''}{said}"
    return played


@contextlib.asynccontextmanager
async def _started(
    words: Sequence[str], cwd: Path, output: int, options: Options
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env={**os.environ, **options.environment},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _ended(process: asyncio.subprocess.Process, records: Path, options: Options) -> int | None:
    """Its exit status; None if it still runs though nothing was said for longer than the agent waits for answers."""
    patience_s = 1.5 * options.timeout_s + 1
    began = time.monotonic()
    size, changed = 0, began
    waiting = asyncio.create_task(process.wait())
    while not waiting.done():
        now = time.monotonic()
        newest = sum(path.stat().st_size for path in records.glob("*.jsonl"))
        if newest != size:
            size, changed = newest, now
        if now - changed > (patience_s if size else START_S) or now - began > LONGEST_S:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return None
        await asyncio.wait([waiting], timeout=POLL_S)
    return waiting.result()


async def _linger(records: Path) -> bool:
    deadline = time.monotonic() + HANGS_UP_S
    while any(still_runs(path) for path in records.glob("*.jsonl")):
        if time.monotonic() > deadline:
            return True
        await asyncio.sleep(POLL_S)
    return False


def _last(transcript: Transcript) -> float:
    """When the last line came, in seconds."""
    return max((entry.at for entry in transcript.entries), default=0.0)
