"""The entry point: before anything else is imported, the wire is put out of everybody's reach.

Then the first message is answered if that needs nothing more, and the rest is loaded while the client reads it.
"""

from __future__ import annotations

import gc
import os
import sys

from agent_server.cli.stdio import divert_stdio

_COMMANDS = ("exec", "schema", "sessions", "login", "logout", "models", "doctor")
_AT_ONCE = ("--login", "--version", "-V", "--help", "-h")


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments[:1] and (arguments[0] in _COMMANDS or any(argument in _AT_ONCE for argument in arguments)):
        from agent_server.cli.main import run_command

        sys.exit(run_command(arguments))
    wire = divert_stdio(prints_to_stderr="--log-stderr" in arguments)
    gc.disable()  # nothing that is loaded from here on is garbage; serving turns it on again when all of it is there
    from agent_server.cli.first_answer import answer_first

    opening = answer_first(arguments, wire)
    from agent_server.cli.main import run_serve

    code = run_serve(arguments, wire, opening)
    os._exit(code)  # everything is flushed; the interpreter's own clean-up would take ten times as long as ours


if __name__ == "__main__":
    main()
