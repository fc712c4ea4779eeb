from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Iterator

import psutil

TAG_VARIABLE = "AGENT_SERVER_TEST_TAG"
HOSTILE = os.path.join(os.path.dirname(__file__), "hostile_tree.py")


class Tag:
    """Marks what a test starts, by other means than the code under test does."""

    def __init__(self) -> None:
        self.value = uuid.uuid4().hex
        self.env = {"PATH": os.environ["PATH"], TAG_VARIABLE: self.value}
        self.hostile_argv = (sys.executable, "-S", HOSTILE)

    def survivors(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_marked(process)]

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            return not is_zombie and process.environ().get(TAG_VARIABLE) == self.value
        except (psutil.Error, OSError):
            return False


def tagged() -> Iterator[Tag]:
    """For a fixture."""
    tag = Tag()
    yield tag
    for process in tag.survivors():
        process.kill()


def leak_checked() -> Iterator[None]:
    """For a fixture: no descriptor, zombie, child or thread more after the test than before it.

    Children that were there before are not the test's: the tests before it may have left orphans, which come to us.
    """
    descriptors, children, threads = _held()
    yield
    now = _held()
    assert (now[0], now[2]) == (descriptors, threads)
    assert [child for child in now[1] if child not in children] == [], children_of_ours()


def children_of_ours() -> list[psutil.Process]:
    """The children of this process, with what was adopted."""
    children: list[psutil.Process] = psutil.Process().children()
    return children


def _held() -> tuple[list[str], list[int], int]:
    descriptors = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    children = [child.pid for child in children_of_ours()]
    return sorted(descriptors), sorted(children), threading.active_count()
