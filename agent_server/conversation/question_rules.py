"""What may be asked, and where a user may be sent. Pure.

A form never asks for a secret, because it travels through the client and the model; whoever needs one sends the user to
a page. Spec: elicitation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent_server.conversation.answers import UnfitAnswer, fitting_content
from agent_server.conversation.questions import ChoicesField, FlagField, FormField, TextField, UserForm
from agent_server.conversation.visible import visible

MAX_FIELDS: Final = 50
MAX_URL_CHARS: Final = 4096
MAX_REPEATS: Final = 8
MAX_OPEN_REPEATS: Final = 3

_SECRET_WORDS: Final = re.compile(
    r"""\b(
        password s? | passwd s? | pwd s? | passphrase s? | passcode s? | pass\ ?code s? | pass\ (word|phrase) s?
        | secret s? | credential s? | pin | pins | otp | cvv | cvc | token
        | (api|access|private|secret|signing|encryption|ssh|license)\ ?key s?
        | (api|access|auth|bearer|refresh|session)\ tokens
        | (recovery|security|verification|backup)\ code s? | seed\ phrase s? | card\ number s?
    )\b""",
    re.VERBOSE,
)
_WORD_BREAK: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_CLASS_OR_ESCAPE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEAT: Final = re.compile(r"[*+]|\{\d*,?\d*\}|(?<!\()\?")
_OPEN_REPEAT: Final = re.compile(r"[*+]|\{\d*,\d*\}")


def looks_secret(name: str) -> bool:
    """Whether something of this name or title is probably a secret (``apiKey``, ``Your password``, ``PIN``)."""
    return _SECRET_WORDS.search(_WORD_BREAK.sub(" ", name).lower()) is not None


def secret_field(form: UserForm) -> str | None:
    """The name of a field that seems to ask for a secret. A flag and a choice can hold none."""
    for field in form.fields:
        if isinstance(field, FlagField | ChoicesField) or (isinstance(field, TextField) and field.choices):
            continue
        if looks_secret(field.name) or looks_secret(field.title or ""):
            return field.name
    return None


def problem_with_form(form: UserForm) -> str | None:
    """Why nobody could be asked this, as one sentence; None where it is all right."""
    if not form.message.strip():
        return "the message is empty"
    if not 0 < len(form.fields) <= MAX_FIELDS:
        return f"a form has 1 to {MAX_FIELDS} fields"
    names = [field.name for field in form.fields]
    if len(set(names)) != len(names) or "" in names:
        return "the fields need different names"
    problems = (problem for field in form.fields if (problem := _problem_with_field(field)) is not None)
    return next(problems, None)


def _problem_with_field(field: FormField) -> str | None:
    shown = visible(field.name)
    if isinstance(field, TextField | ChoicesField):
        values = [choice.value for choice in field.choices]
        if len(set(values)) != len(values) or (isinstance(field, ChoicesField) and not values):
            return f"the choices of {shown} must be different, and at least one"
    if isinstance(field, TextField) and field.pattern is not None and not is_checkable(field.pattern):
        return f"the pattern of {shown} is not a regular expression, or one that takes too long; use a simpler one"
    if field.default is not None:
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        try:
            fitting_content(UserForm("", (field,)), {field.name: default})
        except UnfitAnswer:
            return f"the default of {shown} does not fit it"
    return None


def is_checkable(pattern: str) -> bool:
    """Whether matching a short text with it is quick, whatever the text: few repeats, and none within another."""
    plain = _CLASS_OR_ESCAPE.sub("x", pattern)
    repeats, open_repeats = _REPEAT.findall(plain), _OPEN_REPEAT.findall(plain)
    repeated_group = re.search(r"\)(?:[*+]|\{)", plain) is not None
    if len(repeats) > MAX_REPEATS or len(open_repeats) > MAX_OPEN_REPEATS:
        return False
    if repeated_group and (len(repeats) > 1 or "|" in plain):
        return False
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def problem_with_url(url: str) -> str | None:
    """Why a user may not be sent there, as one sentence; None where they may.

    It must be ``https`` (``http`` only to this very machine) and hold no credentials.
    """
    from urllib.parse import parse_qsl, urlsplit

    if len(url) > MAX_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "the URL is too long or holds characters that no URL has"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "the URL is malformed"
    if not host:
        return "the URL names no host"
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        return "the URL must begin with https://"
    names = [name for query in (parts.query, parts.fragment) for name, _ in parse_qsl(query, keep_blank_values=True)]
    if "@" in parts.netloc or _any_secret(names):
        return "the URL holds credentials"
    return None


def _any_secret(names: Sequence[str]) -> bool:
    return any(looks_secret(name) for name in names)


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
