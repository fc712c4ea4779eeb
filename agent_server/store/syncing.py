"""Bringing what was written to the disk itself, in a thread, for many logs at once.

Nobody waits for a sync but a side effect that is about to happen. What is to be synced soon is gathered for some
milliseconds: a hundred turns that end together are one job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from agent_server.store.disk_worker import DiskWorker
from agent_server.store.instances import Instance
from agent_server.store.open_log import OpenLog
from agent_server.store.to_disk import sync_file, sync_folders

T = TypeVar("T")

GATHER_S: Final = 0.02


class _Job(NamedTuple):
    """One log to be synced, or the journal: its file as it is now, and the directory if that is to be synced too."""

    log: OpenLog | None
    descriptor: int
    size: int
    folder: str | None


class Syncer:
    """Syncs logs.

    Args:
        instance: this server's journal, where the beginnings of sessions are.
        synced: hears of each log that was synced.
        failed: hears of each log that could not be synced, and why.
    """

    def __init__(
        self,
        worker: DiskWorker,
        instance: Callable[[], Instance | None],
        synced: Callable[[OpenLog], None],
        failed: Callable[[OpenLog, OSError], None],
    ) -> None:
        self._worker = worker
        self._instance = instance
        self._synced = synced
        self._failed = failed
        self._due: dict[OpenLog, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def soon(self, log: OpenLog) -> None:
        """Sync it within some milliseconds; at once where no event loop runs."""
        self._due[log] = None
        if self._timer is None and self._running is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._finish_now()
            else:
                self._timer = loop.call_later(GATHER_S, self._begin)

    async def now(self, log: OpenLog) -> None:
        """Sync it, and return when that is done."""
        self._due[log] = None
        while log in self._due or log.syncing:
            if self._running is None:
                self._begin()
            assert self._running is not None
            await asyncio.shield(self._running)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            jobs = self._jobs()
            errors: list[OSError | None] = []
            try:
                if jobs:
                    errors = await self._worker.run(lambda: sync_all(jobs))
            finally:
                self._done(jobs, errors)
        finally:
            self._running = None
            if self._due:
                self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._begin)

    def close(self, logs: list[OpenLog]) -> None:
        """Sync these now, and wait for it: the end of the process."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.update(dict.fromkeys(logs))
        self._finish_now(journal=True)

    def _finish_now(self, *, journal: bool = False) -> None:
        jobs = self._jobs(journal=journal)
        self._done(jobs, sync_all(jobs))

    def _jobs(self, *, journal: bool = False) -> list[_Job]:
        due, self._due = self._due, {}
        jobs = [job for log in due if (job := self._job(log)) is not None]
        instance = self._instance()
        if (jobs or journal) and instance is not None and instance.synced < instance.written:
            # Whoever cleans up after this server learns from it which sessions there are.
            new = instance.directory if not instance.synced else None
            jobs.append(_Job(None, instance.descriptor, instance.written, new))
        return jobs

    def _done(self, jobs: list[_Job], errors: list[OSError | None]) -> None:
        for job in jobs:
            if job.log is not None:
                job.log.syncing -= 1
        for job, error in zip(jobs, errors, strict=False):
            if job.log is None:
                instance = self._instance()
                if error is None and instance is not None:
                    instance.synced = job.size
            elif error is not None:
                self._failed(job.log, error)
            else:
                job.log.synced = max(job.log.synced, job.size)
                self._synced(job.log)

    def _job(self, log: OpenLog) -> _Job | None:
        if not log.made:
            instance = self._instance()
            if instance is None:
                return None
            log.syncing += 1
            return _Job(log, instance.descriptor, 0, None)
        if log.synced >= log.size:
            self._synced(log)
            return None
        if log.descriptor < 0:
            try:
                log.reopen()
            except OSError as error:
                self._failed(log, error)
                return None
        log.syncing += 1
        return _Job(log, log.descriptor, log.size, log.directory if log.synced == 0 else None)


def sync_all(jobs: list[_Job]) -> list[OSError | None]:
    """Sync files, and behind them the directories in which they are new; for each what went wrong."""
    files = {job.descriptor: _error(sync_file, job.descriptor) for job in jobs}
    new_in = {job.folder for job in jobs if job.folder is not None}
    folders = {folder: _error(sync_folders, folder) for folder in new_in}
    return [files[job.descriptor] or (folders[job.folder] if job.folder is not None else None) for job in jobs]


def _error(sync: Callable[[T], None], what: T) -> OSError | None:
    try:
        sync(what)
    except OSError as error:
        return error
    return None
