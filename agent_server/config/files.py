"""Where settings files are, and reading one without ever failing.

A project's file was written by somebody else: it may be huge, a pipe, or no TOML at all. None of that may stop or
block the server, so everything that is wrong with a file becomes a warning.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False  # typing is not loaded yet when the first answer asks whether there is a file
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

PROJECT_FILE: Final = "agent-server.toml"
MAX_FILE_BYTES: Final = 32 * 1024
MAX_LINE_BYTES: Final = 1024
"""Both bounds keep a hostile file quick: Python's parser needs quadratic time for one long dotted key."""


def user_file_path(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """The user's settings file, whether it exists or not; ``platform`` is as in `sys.platform`."""
    return os.path.join(_config_dir(environment, platform), "config.toml")


def credentials_path(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """The file with the user's keys, whether it exists or not."""
    return os.path.join(_config_dir(environment, platform), "credentials.json")


def user_store_dir(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """Where the user's sessions are kept if nobody says otherwise."""
    usual = os.path.join(".local", "state")
    return os.path.join(
        _user_dir(environment, platform, "XDG_STATE_HOME", usual, "LOCALAPPDATA", "Local"), "agent-server"
    )


def _config_dir(environment: Mapping[str, str], platform: str) -> str:
    directory = _user_dir(environment, platform, "XDG_CONFIG_HOME", ".config", "APPDATA", "Roaming")
    return os.path.join(directory, "agent-server")


def _user_dir(
    environment: Mapping[str, str], platform: str, xdg: str, usual: str, windows: str, windows_usual: str
) -> str:
    """Where programs keep such things of the user: what a variable says, or the platform's usual place."""
    home = environment.get("HOME") or os.path.expanduser("~")
    if platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    if platform == "win32":
        return environment.get(windows) or os.path.join(home, "AppData", windows_usual)
    directory = environment.get(xdg, "")
    # A relative path is to be ignored there, says the XDG base directory specification.
    return directory if os.path.isabs(directory) else os.path.join(home, usual)


def read_settings_file(path: str) -> tuple[dict[str, Any], str | None]:
    """The contents of a TOML file, and a warning if it is there but cannot be used; the contents are then empty."""
    try:
        content = _content(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}, None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return {}, f"{path} is ignored: it cannot be read ({reason})"
    # Imported only when there is something to read: most starts have no settings file.
    import tomllib

    try:
        return tomllib.loads(content.decode()), None
    except UnicodeDecodeError:
        return {}, f"{path} is ignored: it is not UTF-8"
    # Not TOMLDecodeError only: a number of too many digits is a plain ValueError.
    except ValueError as error:
        return {}, f"{path} is ignored: it is not TOML ({error})"
    except RecursionError:
        return {}, f"{path} is ignored: it is nested too deeply"


def _content(path: str) -> bytes:
    # Without O_NONBLOCK, opening a pipe that is named like a settings file would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
    if max(map(len, content.splitlines()), default=0) > MAX_LINE_BYTES:
        raise ValueError(f"it has a line of more than {MAX_LINE_BYTES} bytes")
    return content
