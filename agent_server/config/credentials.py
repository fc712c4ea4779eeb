"""The user's keys: in the environment, in a file that only the user can read, and in the system's keyring if asked.

The environment wins over the file, the file over the keyring (Req: CR-03). What is told of a key is where it came from,
never the key itself (promise P13).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias

import orjson

from agent_server.config.files import credentials_path
from agent_server.config.keys import KEY_VARIABLES, key_in, keys_of, read_keys, usable_key
from agent_server.errors import AgentServerError

KeySource: TypeAlias = Literal["environment", "file", "keyring"]

KEYRING_SERVICE: Final = "agent-server"
"""What our keys are kept under in the system's keyring; the user name is the provider's word."""

_VERSION: Final = 1


class CredentialsError(AgentServerError):
    """Keys could not be kept or removed; the text says why, and holds no key."""


class Key:
    """A key, and where it came from: ``place`` is a variable, a path, or ``keyring``."""

    __slots__ = ("place", "source", "value")

    def __init__(self, value: str, source: KeySource, place: str) -> None:
        self.value = value
        self.source: KeySource = source
        self.place = place

    def __repr__(self) -> str:
        return f"Key({self.source!r}, {self.place!r})"


class Credentials:
    """The keys that are there. The file is read when it is first asked for, and again by `refresh`.

    Args:
        environment: where variables are looked up.
        path: the file of keys; None: the user's own.
        keyring: whether the system's keyring is asked too, through the package of that name.
    """

    def __init__(self, environment: Mapping[str, str], path: str | None = None, *, keyring: bool = False) -> None:
        self._environment = environment
        self.path = path or credentials_path(environment)
        self.keyring = keyring
        self._stored: dict[str, str] | None = None
        self._from_keyring: dict[str, str] = {}
        self.warning: str | None = None
        """Why the file is not used, where it is there and may not be."""
        self.keyring_warning: str | None = None
        """Why the keyring is not used, though it is to be."""

    def key(self, provider: str, variables: tuple[str, ...] | None = None) -> Key | None:
        """The key of a provider. ``variables`` may hold it; by default those that are known for it."""
        if variables is None:
            variables = KEY_VARIABLES.get(provider, ())
        given = key_in(self._environment, variables)
        if given is not None:
            return Key(given[0], "environment", given[1])
        if (stored := self._file().get(provider)) is not None:
            return Key(stored, "file", self.path)
        if (ringed := self._from_keyring.get(provider)) is not None:
            return Key(ringed, "keyring", "keyring")
        return None

    def refresh(self) -> None:
        """Read the file again."""
        self._stored = None
        self._file()

    def ask_keyring(self, providers: tuple[str, ...] = tuple(KEY_VARIABLES)) -> None:
        """Look for these providers' keys in the keyring. Blocks, perhaps for long: call it in a thread.

        A keyring that is missing, locked or broken holds no keys.
        """
        if not self.keyring:
            return
        try:
            keyring = import_module("keyring")
        except Exception:  # noqa: BLE001  # an optional package, and what its back ends raise is their own
            self.keyring_warning = "the setting keyring is on, but the package keyring cannot be loaded"
            return
        self.keyring_warning = None
        found: dict[str, str] = {}
        for provider in providers:
            try:
                key = usable_key(keyring.get_password(KEYRING_SERVICE, provider))
            except Exception:  # noqa: BLE001
                key = None
            if key is not None:
                found[provider] = key
        self._from_keyring = found

    def stored(self) -> tuple[str, ...]:
        """The providers whose keys are in the file."""
        return tuple(self._file())

    def store(self, provider: str, key: str) -> None:
        """Keep a provider's key in the file, which nobody else can read.

        Raises:
            CredentialsError: it is no key, or the file may not be used or cannot be written.
        """
        usable = usable_key(key)
        if usable is None:
            raise CredentialsError("a key is one word of printable ASCII characters")
        with self._changing() as keys:
            keys[provider] = usable

    def forget(self, *providers: str) -> tuple[str, ...]:
        """Remove these providers' keys from the file, all where none is named; whose keys were there.

        Raises:
            CredentialsError: the file may not be used or cannot be written.
        """
        if not self._file():
            return ()
        with self._changing() as keys:
            return tuple(name for name in (providers or tuple(keys)) if keys.pop(name, None) is not None)

    def _file(self) -> dict[str, str]:
        if self._stored is None:
            content, self.warning = read_keys(self.path)
            self._stored = {}
            if content is not None:
                try:
                    self._stored = keys_of(_parsed(content))
                except (ValueError, RecursionError):
                    self.warning = f"{self.path} is ignored: it is not what agent-server writes"
        return self._stored

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """The keys of the file as they are now, to be changed; they are written whole when the block ends."""
        directory = os.path.dirname(self.path)
        try:
            os.makedirs(directory, 0o700, exist_ok=True)
            with _locked(directory):
                self.refresh()
                if self.warning is not None:
                    raise CredentialsError(self.warning)
                keys = dict(self._file())
                yield keys
                _write(self.path, {"version": _VERSION, "keys": keys})
        except OSError as error:
            raise CredentialsError(f"{self.path} cannot be written ({error.strerror})") from None
        self.refresh()


def _parsed(content: bytes) -> dict[str, Any]:
    value = orjson.loads(content)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Nobody else changes the file meanwhile; and the directory is the user's alone."""
    if os.name != "posix":
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o700)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: str, content: dict[str, Any]) -> None:
    """Replace the file whole; whoever reads meanwhile has the old or the new one, and nobody else has any."""
    import tempfile

    descriptor, written = tempfile.mkstemp(prefix=".credentials-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "wb") as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())
        os.replace(written, path)
    except BaseException:
        os.unlink(written)
        raise
