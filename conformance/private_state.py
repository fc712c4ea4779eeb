"""What judged agents keep is not to lie among the user's own things: they get a state directory of their own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile


def give_private_state() -> None:
    """Have every program that is started from here keep its state in a directory that goes with this process."""
    directory = tempfile.mkdtemp(prefix="conformance-state-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.environ["XDG_STATE_HOME"] = directory
