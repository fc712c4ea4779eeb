"""``agent-server doctor``: what holds here, and what is wrong with it. It changes nothing and never shows a key.

Only names of settings and where they come from are told, not what they hold: a key may stand in the wrong place.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from typing import TYPE_CHECKING, Final

from agent_server import __version__
from agent_server.config.files import user_file_path
from agent_server.config.settings import Resolved, SettingsError, resolve
from agent_server.errors import ProviderError

if TYPE_CHECKING:
    import argparse

    from agent_server.config.settings import Settings
    from agent_server.providers.catalog import Catalog

WELL: Final = 0
SOMETHING_IS_WRONG: Final = 1
_DEPENDENCIES: Final = ("anyio", "httpx", "jsonschema", "orjson", "pathspec", "pydantic", "rich")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``doctor``."""
    parser.add_argument("--online", action="store_true", help="see too whether the providers can be reached")


def run_doctor(options: argparse.Namespace) -> int:
    """Look at everything; 1 if something is wrong."""
    report = _Report()
    asyncio.run(_look_at_everything(report, online=options.online))
    print("Something is wrong; see the lines with !!." if report.wrong else "All is well.")
    return SOMETHING_IS_WRONG if report.wrong else WELL


class _Report:
    def __init__(self) -> None:
        self.wrong = False

    def say(self, text: str) -> None:
        print(f"   {text}")

    def complain(self, text: str) -> None:
        self.wrong = True
        print(f"!! {text}")


async def _look_at_everything(report: _Report, *, online: bool) -> None:
    _versions(report)
    try:
        resolved = resolve()
    except SettingsError as error:
        report.complain(str(error))
        return
    _settings(report, resolved)
    _store(report, resolved.settings)
    from agent_server.cli.compose import is_catalog, make_provider

    try:
        provider = make_provider(resolved.settings)
    except SettingsError as error:
        report.complain(str(error))
        return
    if not is_catalog(provider):
        report.say(f"model: {provider.id}; no other is looked for")
        return
    try:
        await _models(report, provider, resolved.settings, online=online)
    finally:
        await provider.aclose()


def _versions(report: _Report) -> None:
    from importlib.metadata import PackageNotFoundError, version

    report.say(f"agent-server {__version__}, Python {platform.python_version()} ({sys.executable})")
    for name in _DEPENDENCIES:
        try:
            report.say(f"{name} {version(name)}")
        except PackageNotFoundError:
            report.complain(f"{name} is not installed")


def _settings(report: _Report, resolved: Resolved) -> None:
    path = user_file_path(os.environ)
    report.say(f"settings: {path}{'' if os.path.exists(path) else ' (there is none)'}")
    for name, source in resolved.sources.items():
        if source != "default":
            report.say(f"  {name}: from {source}")
    for warning in resolved.warnings:
        report.complain(warning)


def _store(report: _Report, settings: Settings) -> None:
    from agent_server.config.files import user_store_dir

    if settings.store == "memory":
        report.say("sessions: in memory; nothing outlives the process")
        return
    directory = os.path.abspath(settings.store_dir or user_store_dir(os.environ))
    there = directory
    while not os.path.exists(there):
        there = os.path.dirname(there)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        report.complain(f"sessions: {directory} cannot be written ({error.strerror})")
        return
    report.say(f"sessions: {directory}{'' if there == directory else ' (made when it is needed)'}")


async def _models(report: _Report, catalog: Catalog, settings: Settings, *, online: bool) -> None:
    reached = await catalog.reached() if online else {}
    if not online:
        await catalog.look_around()
    path = catalog.credentials.path
    report.say(f"keys: {path}{'' if os.path.lexists(path) else ' (there is none)'}")
    for problem in catalog.problems():
        report.complain(problem)
    for state in catalog.key_states():
        outcome = reached.get(state.id)
        text = f"  {state.title}: {state.source or ('configured' if state.configured else 'not configured')}"
        if isinstance(outcome, ProviderError):
            report.complain(f"{text}; {outcome.details}")
        else:
            report.say(text if outcome is None else f"{text}; lists {outcome} models")
    _beginning(report, catalog, settings)


def _beginning(report: _Report, catalog: Catalog, settings: Settings) -> None:
    default = catalog.default_model
    if catalog.missing_key(default):
        _, variables = catalog.named(default.partition(":")[0])
        report.complain(f"the chosen model has no key: set {' or '.join(variables)}, or run agent-server login")
    else:
        report.say(f"model to begin with: {default}")
    info = catalog.models()[0]
    if settings.max_cost_usd is not None and default != "offline" and info.price is None:
        report.complain("max_cost_usd cannot be kept: the price of the model is not known")
    if settings.max_session_tokens and info.window_tokens and settings.max_session_tokens < info.window_tokens:
        report.say("max_session_tokens is less than the model can read at once")
    if settings.thinking not in (None, "off", *info.efforts):
        report.say("thinking names a level that the model does not know")
    offered = {info.id for info in catalog.models()}
    missing = [model for model, _ in catalog.rotation() if model not in offered]
    if missing:
        report.complain(f"rotation: {len(missing)} of its models cannot be asked now")
