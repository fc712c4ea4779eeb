"""Whose key which environment variable holds, and what a file of keys may look like.

Importing this loads nothing: the first answer is given before anything is loaded, and says whether there is a model
that takes a system prompt. Nothing here says a key aloud (promise P13).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing itself is not loaded yet
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

KEY_VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "openai": ("OPENAI_API_KEY",),
    "gemini": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "openrouter": ("OPENROUTER_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "moonshot": ("MOONSHOT_API_KEY",),
    "zai": ("ZAI_API_KEY",),
}
"""The variables of each provider that needs a key; the first that is set wins. The order is that of the offers."""

URL_VARIABLES: Final[dict[str, str]] = {
    "anthropic": "ANTHROPIC_BASE_URL",
    "openai": "OPENAI_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "ollama": "OLLAMA_HOST",
}
"""The variable that says where a provider's server is, if not where it usually is."""

MAX_FILE_BYTES: Final = 64 * 1024
MAX_KEY_CHARS: Final = 8192


def usable_key(text: object) -> str | None:
    """A key as it can travel in a header: printable ASCII without blanks inside; None: this is none."""
    if type(text) is not str:
        return None
    key = text.strip()
    if not key or len(key) > MAX_KEY_CHARS or not (key.isascii() and key.isprintable()) or " " in key:
        return None
    return key


def key_in(environment: Mapping[str, str], variables: tuple[str, ...]) -> tuple[str, str] | None:
    """The first usable key in these variables, with the variable that holds it."""
    for variable in variables:
        key = usable_key(environment.get(variable))
        if key is not None:
            return key, variable
    return None


def keys_of(content: Mapping[str, Any]) -> dict[str, str]:
    """The keys by provider that the parsed content of a file of keys holds; what is no key is left out."""
    keys = content.get("keys")
    if type(keys) is not dict:
        return {}
    usable = {name: usable_key(key) for name, key in keys.items()}
    return {name: key for name, key in usable.items() if key is not None}


def any_key(environment: Mapping[str, str], stored: Mapping[str, str]) -> bool:
    """Whether a provider that is known here has a key, in the environment or among those of the file."""
    return any(
        name in stored or key_in(environment, variables) is not None for name, variables in KEY_VARIABLES.items()
    )


def read_keys(path: str) -> tuple[bytes | None, str | None]:
    """The bytes of a file of keys, None where there is none; and what is wrong with it, if it may not be used.

    A file that others can read, that belongs to somebody else or is a link is not used: a key in it may be known to
    others, or be theirs.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        if os.path.islink(path):
            return None, f"{path} is ignored: it is a link"
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except (OSError, ValueError) as error:
        return None, f"{path} is ignored: it cannot be read ({getattr(error, 'strerror', None) or 'no path'})"
    try:
        problem = _improper(descriptor)
        content = b"" if problem else _all_of(descriptor)
    except OSError as error:
        return None, f"{path} is ignored: it cannot be read ({error.strerror})"
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE_BYTES:
        problem = f"it is larger than {MAX_FILE_BYTES} bytes"
    return (None, f"{path} is ignored: {problem}") if problem else (content, None)


def _improper(descriptor: int) -> str | None:
    status = os.fstat(descriptor)
    if status.st_mode & 0o170000 != 0o100000:
        return "it is not a regular file"
    if os.name != "posix":
        return None
    if status.st_uid != os.geteuid():
        return "it belongs to somebody else"
    if status.st_mode & 0o077:
        return "others can read or change it; make it yours alone with chmod 600, and consider a new key"
    return None


def _all_of(descriptor: int) -> bytes:
    content = b""
    while len(content) <= MAX_FILE_BYTES and (more := os.read(descriptor, MAX_FILE_BYTES)):
        content += more
    return content
