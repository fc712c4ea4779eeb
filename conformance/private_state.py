"""What judged agents keep is not to lie among the user's own things, and no model is paid for by being judged.

They get directories of their own, no keys, and look for no models on this machine. An agent that cannot do without is
given what it needs in its command: ``--agent 'env SOME_API_KEY=… agent'``.
"""

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
    os.environ["XDG_CONFIG_HOME"] = os.path.join(directory, "config")
    os.environ["AGENT_SERVER_LOCAL_MODELS"] = "false"
    for variable in list(os.environ):
        if variable.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL")) or variable == "OLLAMA_HOST":
            del os.environ[variable]
