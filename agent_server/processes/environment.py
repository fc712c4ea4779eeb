"""Which environment variables a child may see. Pure but for the default source, the environment of this process."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

_INHERITED = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR", "TZ"})
_INHERITED_PREFIX = "LC_"
# Without these no program starts, or finds its files, on Windows.
_INHERITED_WINDOWS = frozenset(
    {
        "APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "NUMBER_OF_PROCESSORS", "OS", "PATHEXT",
        "PROCESSOR_ARCHITECTURE", "PROGRAMDATA", "PROGRAMFILES", "PROGRAMFILES(X86)", "SYSTEMDRIVE", "SYSTEMROOT",
        "TEMP", "TMP", "USERDOMAIN", "USERNAME", "USERPROFILE", "WINDIR",
    }
)  # fmt: skip
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|KEYS?(?![A-Z])")
# A pager or a full-screen program would wait for keys that nobody can press.
_COMMAND_DEFAULTS = {"PAGER": "cat", "GIT_PAGER": "cat", "TERM": "dumb"}


def looks_secret(name: str) -> bool:
    """Whether a variable of this name probably holds a secret (KEY, TOKEN, SECRET, PASSWORD, CREDENTIAL in it)."""
    return _SECRET.search(name.upper()) is not None


def child_environment(
    extra: Mapping[str, str] | None = None,
    *,
    allow: Collection[str] = (),
    inherited: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment for a child: the allowlisted part of ours, with ``extra`` laid over it.

    ``allow`` names what may pass besides: variables of ours that are not on the list, and names that look secret,
    which otherwise do not pass even when ``extra`` sets them. ``inherited`` stands for our own environment.

    Promise: P13.
    """
    source = os.environ if inherited is None else inherited
    passed = {name: value for name, value in source.items() if name in allow or _may_inherit(name)}
    return passed | _screened(extra, allow)


def command_environment(
    extra: Mapping[str, str] | None = None,
    *,
    allow: Collection[str] = (),
    inherited: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """`child_environment` for a command that no person sits at: no pager, a dumb terminal. ``extra`` wins.

    Req: TL-07
    """
    return child_environment(allow=allow, inherited=inherited) | _COMMAND_DEFAULTS | _screened(extra, allow)


def _may_inherit(name: str) -> bool:
    if looks_secret(name):
        return False
    if os.name == "nt" and name.upper() in _INHERITED_WINDOWS:
        return True
    return name in _INHERITED or name.startswith(_INHERITED_PREFIX)


def _screened(extra: Mapping[str, str] | None, allow: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in (extra or {}).items() if name in allow or not looks_secret(name)}
