"""Writing what may hold anything that was said: for nobody else to read, and never by accident over something else."""

from __future__ import annotations

import os
import tempfile


def write_private(path: str, text: str, *, replace: bool) -> None:
    """Write a new file of mode 0600; one that is there is replaced whole, if that was asked for.

    Raises:
        FileExistsError: there is something of that name, and it is not to be replaced.
        OSError: it cannot be written; what was there before still is.
    """
    data = text.encode()
    if not replace:
        # O_EXCL: not even a link that leads nowhere is followed.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        written = path
    else:
        descriptor, written = tempfile.mkstemp(prefix=".agent-server-", dir=os.path.dirname(path) or ".")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        if replace:
            os.replace(written, path)
    except BaseException:
        os.unlink(written)
        raise
