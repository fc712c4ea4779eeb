"""What of a server's words people may be shown: one line that holds no secret, no program's dump and no page. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from agent_server.conversation.redaction import REDACTED, redacted_text
from agent_server.conversation.visible import visible

MAX_CHARS: Final = 300
MAX_RAW_CHARS: Final = 4000

_DUMP: Final = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"\n]+\", line \d+|^\s*at \S+ ?\(.*:\d+\)|\bgoroutine \d+ \["
    r"|\bpanicked at\b|<class '|\bobject at 0x[0-9a-f]+|\bstack ?trace\b|(?:[A-Z]\w*(?:Error|Exception)\(.*){2}"
    r"|\bException in thread\b|0x[0-9a-f]{12,}",
    re.MULTILINE | re.IGNORECASE,
)
_PAGE: Final = re.compile(r"<(?:!doctype|html|head|body|title|script|div|\?xml)\b", re.IGNORECASE)
_SECRET: Final = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|ghp|gho|ghs|glpat|AKIA|ya29|nvapi|fw|csk|tgp|pplx|or)[-_][\w*.-]{6,}"
    r"|\b(?:AIza|AKIA|ASIA)[\w-]{10,}|\beyJ[\w-]{10,}\.[\w.-]+|\bbearer\s+[\w.~+/=-]{6,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+@",
    re.IGNORECASE,
)
MIN_SECRET_CHARS: Final = 6
_MAX_JUDGED_CHARS: Final = 2000
"""Of a longer text no more is looked at: a server may have written it to keep us busy."""


def harmless(text: str, secrets: Iterable[str] = ()) -> str:
    """The server's sentence in one line of at most `MAX_CHARS`; empty where it is none, or none for people.

    ``secrets`` are what was sent and must not come back.
    """
    text = _without_known(text, secrets)[:_MAX_JUDGED_CHARS]
    if not text or _DUMP.search(text) or _PAGE.search(text):
        return ""
    shown = visible(_without_likely(" ".join(text.split())))
    return shown if len(shown) <= MAX_CHARS else shown[: MAX_CHARS - 1].rstrip() + "…"


def for_the_log(text: str, secrets: Iterable[str] = ()) -> str:
    """What a server said, for the log: bounded, and without secrets."""
    return _without_likely(_without_known(text, secrets)[:MAX_RAW_CHARS])


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and without whatever looks like one."""
    return _without_likely(_without_known(text, secrets))


def says_secret(text: str, secrets: Iterable[str]) -> bool:
    """Whether one of these secrets stands in a text, in whatever form."""
    return _without_known(text, secrets) != text


def _without_likely(text: str) -> str:
    return redacted_text(_SECRET.sub(REDACTED, text))


def _without_known(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if len(secret) < MIN_SECRET_CHARS:
            continue
        text = _in_any_form(secret).sub(REDACTED, text)
        text = _without_begun(text, secret)
    return text


def _without_begun(text: str, secret: str) -> str:
    """Without the beginning of a secret at the end of a text that was cut there."""
    longest = min(len(secret), len(text))
    for size in range(longest, MIN_SECRET_CHARS - 1, -1):
        if text.endswith(secret[:size]):
            return text[:-size] + REDACTED
    return text


@lru_cache(maxsize=64)
def _in_any_form(secret: str) -> re.Pattern[str]:
    """A secret as it is, and as JSON, a URL or a page would write it; a name of a host, even in small letters."""
    return re.compile("".join(map(_forms_of, secret)), re.IGNORECASE)


def _forms_of(char: str) -> str:
    if char.isalnum() and char.isascii():
        return char
    code, plain = ord(char), re.escape(char)
    named = {"&": "|&amp;", "<": "|&lt;", ">": "|&gt;", '"': "|&quot;"}.get(char, "")
    return rf"(?:\\{{0,3}}{plain}|\\{{1,2}}u{code:04x}|\\x{code:02x}|%{code:02x}|&\#0?{code};|&\#x{code:x};{named})"
