"""What servers leave behind in the store's directory, for whoever cleans up after them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

from agent_server.store.instances import Beginning, DeadInstance, dead_instances, instance_ids
from agent_server.store.open_log import OpenLog
from agent_server.store.segments import all_names, name_of, segments
from agent_server.store.to_disk import sync_file, sync_folders

logger = logging.getLogger(__name__)


def log_dir(directory: str) -> str:
    """Where the logs are in a store's directory."""
    return os.path.join(directory, "logs")


def instance_dir(directory: str) -> str:
    """Where the journals of the servers are."""
    return os.path.join(directory, "instances")


class Leftovers:
    """The logs and journals in a store's directory, whoever's they are."""

    def __init__(self, directory: str) -> None:
        self._log_dir = log_dir(directory)
        self._instance_dir = instance_dir(directory)

    def dead_instances(self) -> Iterator[DeadInstance]:
        """The servers that died and were not cleaned up after; see `instances.dead_instances`."""
        return dead_instances(self._instance_dir)

    def servers(self) -> int:
        """How many servers live or were not cleaned up after."""
        return sum(1 for _ in instance_ids(self._instance_dir))

    def session_ids(self) -> Iterator[str]:
        """Every session that has files, in no order."""
        for name in all_names(self._log_dir):
            header = next((one.header for one in segments(self._log_dir, name) if one.header is not None), None)
            if header is not None:
                yield header["session"]
            else:
                logger.warning("the log %s is damaged at its very beginning; nobody can tell whose it is", name)

    def give_a_file(self, session_id: str, beginning: Beginning) -> None:
        """Make the file of a session that stands only in the journal of a server that died.

        Of no effect if it has one; one without a whole record does not count.

        Raises:
            OSError: it cannot be made.
        """
        some = segments(self._log_dir, name_of(session_id))
        if any(segment.tells for segment in some):
            return
        log = OpenLog(self._log_dir, session_id, 0, len(some) + 1)
        log.beginning = beginning.lines
        try:
            log.make(beginning.owner, int(time.time() * 1000), claim=True)
        except FileExistsError:
            return
        sync_file(log.descriptor)
        log.close()

    def sync(self) -> None:
        """Have the files that were given outlive a loss of power.

        Raises:
            OSError: they cannot.
        """
        sync_folders(self._log_dir)
