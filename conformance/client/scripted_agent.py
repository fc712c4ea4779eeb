"""The agent that a client is judged by: ``scripted_agent.py SCENE DIRECTORY TIMEOUT_S``. Standard library only.

It plays the scene on stdin and stdout and records it in a file of its own in the directory. With more arguments it is
the login in a terminal that such a client was told of: it records that, and ends well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conformance.client.scene import SCENES
from conformance.client.wire import InputEnded, Record, Wire


def main(scene_name: str, directory: str, timeout_s: str, *login: str) -> int:
    """Play the scene until the client hangs up."""
    import conformance.client.scenes  # noqa: F401  importing it registers them

    record = Record(Path(directory))
    record.note(f"the scene {scene_name}, played by the process {os.getpid()}")
    if login:
        record.note(f"a login in a terminal: {' '.join(login)}")
        record.log_in()
        return 0
    scene = SCENES[scene_name]()
    wire = Wire(record, scene.answer, float(timeout_s))
    try:
        wire.serve(lambda: False)
    except InputEnded:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
