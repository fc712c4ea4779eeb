"""Whether anybody listens on a port of this machine, found out within microseconds. Loads nothing new."""

from __future__ import annotations

import select
import socket
from typing import Final

LOCAL_PORTS: Final = {"ollama": 11434, "lmstudio": 1234, "llamacpp": 8080}
"""Where the servers of models listen that are looked for."""


def may_listen(port: int) -> bool:
    """Whether a connection to this port of the loopback is not refused at once. Nothing is sent, nobody waits."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            probe.connect_ex(("127.0.0.1", port))
            if not hasattr(select, "poll"):
                return True
            ready = select.poll()
            ready.register(probe, select.POLLOUT)
            return not ready.poll(0) or probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    except OSError:
        return False
