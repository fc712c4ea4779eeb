"""What of a server's words people may be shown: one line that holds no secret, no program's dump and no page. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
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


def harmless(text: str, secrets: Iterable[str] = ()) -> str:
    """The server's sentence in one line of at most `MAX_CHARS`; empty where it is none, or none for people.

    ``secrets`` are what was sent and must not come back.
    """
    if not text or _DUMP.search(text) or _PAGE.search(text):
        return ""
    shown = visible(without_secrets(" ".join(text.split()), secrets))
    return shown if len(shown) <= MAX_CHARS else shown[: MAX_CHARS - 1].rstrip() + "…"


def for_the_log(text: str, secrets: Iterable[str] = ()) -> str:
    """What a server said, for the log: bounded, and without secrets."""
    return without_secrets(text[:MAX_RAW_CHARS], secrets)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and without whatever looks like one."""
    for secret in secrets:
        if len(secret) >= MIN_SECRET_CHARS:
            text = text.replace(secret, REDACTED)
    return redacted_text(_SECRET.sub(REDACTED, text))
