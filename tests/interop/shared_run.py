"""One run of a program for all processes of a test run, because the tests of its steps are dealt out to them."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .client_program import Report


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Report]) -> Report:
    """Return the report that ``make`` gave when it was called with an empty directory, by whichever process was first.

    A failure of ``make`` is not kept: the next process tries again.
    """
    base = factory.getbasetemp()
    shared = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "interop"
    shared.mkdir(exist_ok=True)
    kept = shared / f"{name}.report"
    with _locked(shared / f"{name}.lock"):
        if not kept.exists():
            fresh = factory.mktemp(name) / "report"
            fresh.write_bytes(pickle.dumps(make(fresh.parent)))
            fresh.replace(kept)
    report: Report = pickle.loads(kept.read_bytes())
    return report


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # on Windows two processes may run the program twice, to the same end
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
