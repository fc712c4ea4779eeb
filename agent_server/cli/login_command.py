"""``agent-server login`` and ``logout``: keys of providers, kept where only the user can read them.

A key is asked for without an echo and is never shown (Req: CR-03, promise P13).
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agent_server.config.credentials import CredentialsError
from agent_server.config.keys import usable_key
from agent_server.config.settings import SettingsError, resolve
from agent_server.errors import ProviderError

if TYPE_CHECKING:
    import argparse

    from agent_server.providers.catalog import Catalog

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
_DOUBTS: Final = ("rejected_key", "auth_failed", "unreachable")
"""Why a key is not kept; another answer says nothing of the key."""


def add_login_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``login``."""
    parser.add_argument("provider", metavar="PROVIDER", nargs="?", help="whose key: anthropic, openai, gemini, …")
    parser.add_argument("--no-check", action="store_true", help="keep the key without asking the provider about it")


def add_logout_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``logout``."""
    parser.add_argument("provider", metavar="PROVIDER", nargs="?", help="whose key to forget; all, if none is named")


def run_login(options: argparse.Namespace) -> int:
    """Ask for a key, check it, and keep it; the exit code."""
    try:
        return DONE if asyncio.run(log_in(options.provider, check=not options.no_check)) else FAILED
    except (SettingsError, LookupError) as error:
        _complain(str(error.args[0]))
        return USAGE
    except (KeyboardInterrupt, EOFError):
        return 130


def run_logout(options: argparse.Namespace) -> int:
    """Forget keys of the file; the exit code."""
    try:
        credentials = keys_catalog().credentials
        gone = credentials.forget(*([options.provider] if options.provider else []))
    except (SettingsError, CredentialsError) as error:
        _complain(str(error))
        return USAGE if isinstance(error, SettingsError) else FAILED
    print(f"Forgotten: {', '.join(gone)}." if gone else "There was no such key in the file.")
    for provider in [options.provider] if options.provider else gone:
        key = credentials.key(provider)
        if key is not None:
            print(f"The key in {key.place} is still there: agent-server does not change your environment.")
    return DONE


def keys_catalog() -> Catalog:
    """Everything that can be asked by the settings, whatever model they name.

    Raises:
        SettingsError: the settings are wrong.
    """
    from agent_server.cli.compose import make_catalog

    return make_catalog(replace(resolve().settings, model=None, rotation=()))


async def log_in(provider: str | None, *, check: bool = True) -> bool:
    """Ask for a provider's key on the terminal, and keep it; whether that was done.

    Raises:
        LookupError: there is no such provider, or it needs no key.
        SettingsError: the settings are wrong.
    """
    catalog = keys_catalog()
    try:
        known = catalog.taking_keys()
        provider = provider or _chosen(catalog, known)
        if provider not in known:
            raise LookupError(f"expected one of {', '.join(known)}")
        title, variables = catalog.named(provider)
        key = usable_key(_asked_for(f"Key for {title} (it is not shown): "))
        if key is None:
            _complain("that is no key: expected one word of printable ASCII characters; nothing was kept")
            return False
        if check and not await _accepted(catalog, provider, key):
            return False
        catalog.credentials.store(provider, key)
    except CredentialsError as error:
        _complain(str(error))
        return False
    finally:
        await catalog.aclose()
    print(f"The key for {title} is kept in {catalog.credentials.path}.")
    now = catalog.credentials.key(provider, variables)
    if now is not None and now.source == "environment":
        print(f"{now.place} is set too, and wins over it.")
    return True


async def _accepted(catalog: Catalog, provider: str, key: str) -> bool:
    try:
        await catalog.check_key(provider, key)
    except ProviderError as error:
        if error.kind not in _DOUBTS:
            print("The key could not be checked; it is kept all the same.")
            return True
        _complain(f"{error.details} Nothing was kept" + ("; --no-check does." if error.kind == "unreachable" else "."))
        return False
    return True


def _chosen(catalog: Catalog, known: tuple[str, ...]) -> str:
    for number, name in enumerate(known, 1):
        print(f"{number:3} {name:12} {catalog.named(name)[0]}")
    answer = input("Which provider? ").strip()
    if answer.isascii() and answer.isdecimal() and 0 < int(answer) <= len(known):
        return known[int(answer) - 1]
    return answer


def _asked_for(question: str) -> str:
    """A line that is not shown; from a pipe, simply the next line."""
    if sys.stdin is None or not sys.stdin.isatty():
        return sys.stdin.readline() if sys.stdin is not None else ""
    import getpass

    return getpass.getpass(question)


def _complain(text: str) -> None:
    print(f"agent-server login: {text}", file=sys.stderr)
