"""Arguments in, a command run, an exit code out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from agent_server import __version__
from agent_server.config.settings import ENVIRONMENT_PREFIX, Resolved, SettingsError, resolve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from agent_server.cli.first_answer import Opening

USAGE_ERROR = 2

_SETTING_FLAGS = (
    ("model", "ID", "the model to begin with: PROVIDER:MODEL, a provider's word, offline, or scenario:FILE.json"),
    ("thinking", "LEVEL", "how much it reasons at first: off, minimal, low, medium, high, xhigh, max"),
    ("rotation", "LIST", "models to go round, with commas: PROVIDER:MODEL or PROVIDER:MODEL:LEVEL"),
    ("max-cost-usd", "DOLLARS", "what a session may cost"),
    ("max-session-tokens", "N", "how many tokens a session may read and write; 0 (the default): any number"),
    ("local-models", "WHETHER", "true (the default): look for servers of models on this machine; or false"),
    ("first-byte-timeout-s", "SECONDS", "how long a model may take to begin its answer"),
    ("idle-stream-timeout-s", "SECONDS", "how long a model may fall silent within its answer"),
    ("store-dir", "DIR", "keep the sessions there"),
    ("store", "WHERE", "files (the default), or memory: nothing outlives the process"),
    ("log-file", "FILE", "write a log there, one JSON object a line"),
    ("log-level", "LEVEL", "debug, info (the default), warning or error"),
    ("trace-file", "FILE", "record every frame there, redacted"),
    ("drain-s", "SECONDS", "how long prompts may run on after the end of the input (1)"),
    ("max-frame-bytes", "BYTES", "the longest message that is accepted (67108864)"),
    ("max-turn-requests", "N", "how many model requests one turn may make (100)"),
    ("approval-timeout-s", "SECONDS", "how long a permission question may stand (300)"),
    ("prune-after-days", "DAYS", "remove sessions that nobody used for so long; 0 (the default): never"),
    ("idle-timeout-s", "SECONDS", "how long a session without clients and work stays in memory (14400; 0: for ever)"),
    ("command-timeout-s", "SECONDS", "how long a command may run unless it says otherwise (120)"),
)


def run_serve(arguments: Sequence[str], wire: tuple[int, int], opening: Opening | None = None) -> int:
    """Serve ACP on two descriptors until the client has gone; the exit code.

    ``opening``: what has happened on them so far.
    """
    from agent_server.cli.serve import serve_stdio

    try:
        resolved = _settings(arguments)
    except SettingsError as error:
        return _fail(str(error))
    except SystemExit as exit_:  # argparse: a wrong flag
        return int(exit_.code or 0)
    log_stderr = "--log-stderr" in arguments
    return serve_stdio(
        resolved.settings,
        wire,
        opening=opening,
        warnings=resolved.warnings,
        log_stderr=log_stderr,
        model_is_fixed=resolved.sources["model"].startswith(("--", ENVIRONMENT_PREFIX)),
    )


def run_command(arguments: Sequence[str]) -> int:
    """Run any command other than serving; the exit code."""
    run = _COMMANDS.get(arguments[0]) if arguments else None
    if run is not None:
        return run(arguments[1:])
    parser = argument_parser()
    try:
        options = parser.parse_args(list(arguments))
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0 if options.login is None else _log_in_here(options.login, options.model)


def _log_in_here(provider: str, model: str | None) -> int:
    """The login that a client has a terminal run, with these flags and ours in front (Spec: authentication)."""
    from agent_server.cli.compose import is_catalog, make_provider

    if not provider:
        try:
            chosen = make_provider(resolve({"model": model}).settings)
        except SettingsError as error:
            return _fail(str(error))
        if is_catalog(chosen) and chosen.missing_key(chosen.default_model):
            provider = chosen.default_model.partition(":")[0]
    if provider:
        return _run_login([provider])
    print("No login is needed. To keep a provider's key: agent-server login PROVIDER")
    return 0


def _run_exec(arguments: Sequence[str]) -> int:
    import asyncio

    from agent_server.cli import exec_command

    options = _parsed("exec", "Run one prompt.", exec_command.add_arguments, arguments)
    if isinstance(options, int):
        return options
    try:
        return asyncio.run(exec_command.run_exec(options))
    except KeyboardInterrupt:
        return 130


def _run_schema(arguments: Sequence[str]) -> int:
    from agent_server.cli import schema_command

    options = _parsed("schema", "Print the protocol as JSON Schema.", schema_command.add_arguments, arguments)
    if isinstance(options, int):
        return options
    return schema_command.run_schema(options)


def _run_sessions(arguments: Sequence[str]) -> int:
    from agent_server.cli import sessions_command

    options = _parsed("sessions", "Look at what is stored.", sessions_command.add_arguments, arguments)
    if isinstance(options, int):
        return options
    try:
        return sessions_command.run_sessions(options)
    except KeyboardInterrupt:
        return 130


def _run_login(arguments: Sequence[str]) -> int:
    from agent_server.cli import login_command

    options = _parsed("login", "Keep a provider's key.", login_command.add_login_arguments, arguments)
    return options if isinstance(options, int) else login_command.run_login(options)


def _run_logout(arguments: Sequence[str]) -> int:
    from agent_server.cli import login_command

    options = _parsed("logout", "Forget keys that were kept.", login_command.add_logout_arguments, arguments)
    return options if isinstance(options, int) else login_command.run_logout(options)


def _run_models(arguments: Sequence[str]) -> int:
    from agent_server.cli import models_command

    options = _parsed("models", "List the models that can be asked.", models_command.add_arguments, arguments)
    return options if isinstance(options, int) else models_command.run_models(options)


def _run_doctor(arguments: Sequence[str]) -> int:
    from agent_server.cli import doctor_command

    options = _parsed("doctor", "See what is wrong, if anything.", doctor_command.add_arguments, arguments)
    return options if isinstance(options, int) else doctor_command.run_doctor(options)


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "exec": _run_exec,
    "schema": _run_schema,
    "sessions": _run_sessions,
    "login": _run_login,
    "logout": _run_logout,
    "models": _run_models,
    "doctor": _run_doctor,
}


def _parsed(
    name: str, description: str, add: Callable[[argparse.ArgumentParser], None], arguments: Sequence[str]
) -> argparse.Namespace | int:
    """The arguments of a command with a name; the exit code where there is nothing to run."""
    import argparse

    parser = argparse.ArgumentParser(prog=f"agent-server {name}", description=description)
    add(parser)
    try:
        return parser.parse_args(list(arguments))
    except SystemExit as exit_:
        return int(exit_.code or 0)


def _settings(arguments: Sequence[str]) -> Resolved:
    plain = plain_flags(arguments)  # the common case needs no parser
    if plain is not None:
        return resolve(plain)
    options = vars(argument_parser().parse_args(list(arguments)))
    flags: dict[str, Any] = {name.replace("-", "_"): options[name.replace("-", "_")] for name, _, _ in _SETTING_FLAGS}
    for switch in ("commands_in_editor", "unstable", "enable_test_faults", "keyring"):
        flags[switch] = options[switch] or None
    return resolve(flags)


def plain_flags(arguments: Sequence[str]) -> dict[str, str] | None:
    """The settings, by name, of a command line that holds nothing but flags and their values; None: parse it."""
    known = {f"--{name}": name.replace("-", "_") for name, _, _ in _SETTING_FLAGS}
    flags, values = arguments[::2], arguments[1::2]
    if len(flags) != len(values) or any(value.startswith("-") for value in values) or not known.keys() >= set(flags):
        return None
    return {known[flag]: value for flag, value in zip(flags, values, strict=True)}


def argument_parser() -> argparse.ArgumentParser:
    """The parser of everything but the commands with a name."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="agent-server",
        description="Serve the Agent Client Protocol on stdin and stdout; or run a command.",
        epilog="Commands: exec PROMPT (run one prompt; see exec --help), sessions (list, show, export and delete "
        "what is stored; see sessions --help), login and logout (keep and forget keys), models (what can be asked), "
        "doctor (what is wrong), schema (print the protocol as JSON Schema). "
        "Settings may also come from AGENT_SERVER_* variables, agent-server.toml in the project, or the user's "
        "configuration file.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"agent-server {__version__}")
    for name, metavar, text in _SETTING_FLAGS:
        parser.add_argument(f"--{name}", metavar=metavar, help=text)
    parser.add_argument("--trace", dest="trace_file", metavar="FILE", help="the same as --trace-file")
    parser.add_argument("--idle-timeout", dest="idle_timeout_s", metavar="SECONDS", help="the same as --idle-timeout-s")
    parser.add_argument("--commands-in-editor", action="store_true", help="run commands in the editor's terminals")
    parser.add_argument("--unstable", action="store_true", help="serve methods that are no part of the protocol yet")
    parser.add_argument("--enable-test-faults", action="store_true", help="let tests break sessions and turn the clock")
    parser.add_argument("--keyring", action="store_true", help="look for keys in the system's keyring too")
    parser.add_argument(
        "--login", metavar="PROVIDER", nargs="?", const="", help="ask for a key in this terminal, keep it, and end"
    )
    parser.add_argument("--log-stderr", action="store_true", help="log to stderr too, which is silent otherwise")
    return parser


def _fail(text: str) -> int:
    print(f"agent-server: {text}", file=sys.stderr)
    return USAGE_ERROR
