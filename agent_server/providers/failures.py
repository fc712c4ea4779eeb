"""Why a model could not answer: one class of `ErrorKind`, and one clean sentence for people. Pure.

Typed words and the HTTP status come first, the text of an error last: texts change, and hold numbers that mean nothing.
What a server says inside of a stream is judged the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent_server.errors import ErrorKind, ProviderError
from agent_server.http_client.failures import (
    AnswerUnreadable,
    BadRequest,
    ConnectionFailed,
    DeadlinePassed,
    HttpFailure,
    RedirectRefused,
)
from agent_server.providers.error_bodies import Told, told
from agent_server.providers.server_text import for_the_log, harmless, without_secrets
from agent_server.providers.waits import wait_s
from agent_server.providers.wire import Endpoint, ServerFault, StreamCut

MAX_WAIT_S: Final = 120.0
"""Whoever is told to wait longer is told so, and not kept waiting."""

_OVERFLOW_WORDS: Final = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded", "3051"}
)
_OVERFLOW_TEXT: Final = re.compile(
    r"prompt is too long|exceeds? the (?:available )?context (?:window|size)|maximum context length"
    r"|input token count.*exceeds|maximum prompt length is \d|reduce the length of the messages"
    r"|exceeds the limit of \d|greater than the context length|context window exceeds limit|exceeded model token limit"
    r"|too large for model with|context[_ ]length[_ ]exceeded|input is too long|too many tokens|token limit exceeded",
    re.IGNORECASE,
)
_OVERFLOW_STATUSES: Final = frozenset({None, 400, 413, 422, 500})
"""A text speaks of an overflow only with these: with others it means a limit of tokens in a minute."""

_KEY_WORDS: Final = frozenset({"authentication_error", "invalid_api_key", "unauthenticated", "api_key_invalid"})
_KEY_TEXT: Final = re.compile(r"api key not valid|incorrect api key|invalid api key", re.IGNORECASE)
_FORBIDDEN_WORDS: Final = frozenset({"permission_error", "permission_denied", "unsupported_country_region_territory"})
_QUOTA_WORDS: Final = re.compile(
    r"billing_error|insufficient_quota|credit_balance_exhausted|billing_hard_limit_reached|usage_not_included"
    r"|exceeded_current_quota_error|\w*_spend_limit_\w+|insufficient_balance|\S*perday\S*|1113|1304|1308|1309|1310"
)
_QUOTA_TEXT: Final = re.compile(
    r"credit balance is too low|insufficient (?:account )?balance|insufficient credits|specified api usage limits",
    re.IGNORECASE,
)
_RATE_WORDS: Final = frozenset(
    {"resource_exhausted", "rate_limit_error", "rate_limit_exceeded", "slow_down", "too_many_requests"}
)
_RATE_TEXT: Final = re.compile(r"\brate.?limit|too many requests", re.IGNORECASE)
_OVERLOAD_WORDS: Final = frozenset({"overloaded_error", "server_is_overloaded", "overloaded"})
_OVERLOAD_TEXT: Final = re.compile(r"\boverloaded\b|over capacity", re.IGNORECASE)
_PASSING_WORDS: Final = frozenset(
    {"server_error", "api_error", "internal_error", "internal", "timeout_error", "deadline_exceeded", "unavailable"}
)
_PASSING_STATUSES: Final = frozenset({408, 409, 425})
_NO_MODEL_WORDS: Final = frozenset({"model_not_found", "not_found_error", "not_found"})


@dataclass(frozen=True, slots=True)
class _Class:
    kind: ErrorKind
    retryable: bool = False
    reason: str | None = None


def classify(
    error: Exception,
    endpoint: Endpoint,
    *,
    key_sent: bool = True,
    secrets: tuple[str, ...] = (),
    now_s: float = 0.0,
) -> ProviderError:
    """Why the endpoint could not answer.

    ``error`` is a `ServerFault` (an answer of another status than 200 is one), a `StreamCut`, a `HttpFailure`, or
    a ValueError for what is no answer of its format. ``secrets`` are left out of whatever is told, ``now_s`` is the
    time of day (Req: CR-05..CR-11).
    """
    if isinstance(error, ServerFault):
        return _of_fault(error, endpoint, key_sent, secrets, now_s)
    if isinstance(error, HttpFailure):
        return _of_transport(error, endpoint, secrets)
    title = title_of(endpoint)
    if isinstance(error, StreamCut):
        details = f"The answer of {title} broke off. Try again."
        return ProviderError("unreachable", details, retryable=True, provider=endpoint.name, raw=str(error))
    details = f"{title} sent something that is no answer of a model. {_look_at_address(endpoint)}"
    raw = for_the_log(f"{type(error).__name__}: {error}", secrets)
    return ProviderError("raw", details, provider=endpoint.name, raw=raw)


def missing_key(endpoint: Endpoint) -> ProviderError:
    """Nothing was sent, because there is no key to send."""
    details = f"There is no key for {title_of(endpoint)}. {_set_key(endpoint)}"
    return ProviderError("auth_failed", details, provider=endpoint.name, reason="missing_key")


def title_of(endpoint: Endpoint) -> str:
    """What people call it."""
    return endpoint.title or endpoint.name


def _of_fault(
    fault: ServerFault, endpoint: Endpoint, key_sent: bool, secrets: tuple[str, ...], now_s: float
) -> ProviderError:
    said = told(fault.body)
    status = fault.status if fault.status is not None else said.status
    found = _class_of(status, said, key_sent, bare=_is_bare(fault))
    waits = wait_s(fault.headers, said, now_s)
    retryable = found.retryable
    hint = fault.headers.get("x-should-retry")
    if hint in ("true", "false") and found.reason != "quota":
        retryable = hint == "true"
    text = harmless(said.message, secrets)
    return ProviderError(
        found.kind,
        _sentence(found, endpoint, status, text, waits),
        retryable=retryable,
        provider=endpoint.name,
        http_status=status,
        request_id=_request_id(fault.headers, said, secrets),
        retry_after_s=waits,
        reason=found.reason,
        raw=for_the_log(_raw(fault), secrets),
    )


def _class_of(status: int | None, said: Told, key_sent: bool, *, bare: bool) -> _Class:
    """The first that fits."""
    words, text = said.words, said.text
    if words & _OVERFLOW_WORDS:
        return _Class("context_overflow")
    if status in _OVERFLOW_STATUSES and not words & _RATE_WORDS and _OVERFLOW_TEXT.search(text):
        return _Class("context_overflow")
    if bare and status in (400, 413):
        return _Class("context_overflow")
    if status == 401 and not key_sent:
        return _Class("auth_failed", reason="missing_key")
    if status == 401 and "CORS requests are not allowed" in text:
        return _Class("auth_failed", reason="forbidden")
    if status == 401 or (status in (None, 400, 403) and (words & _KEY_WORDS or _KEY_TEXT.search(text))):
        return _Class("rejected_key")
    if _is_quota(status, said):
        return _Class("rate_limited", reason="quota")
    if status == 403 or (status is None and words & _FORBIDDEN_WORDS):
        return _Class("auth_failed", reason="forbidden")
    return _class_of_trouble(status, words, text)


def _class_of_trouble(status: int | None, words: set[str], text: str) -> _Class:
    if status == 429 or (status in (None, 400) and words & _RATE_WORDS):
        return _Class("rate_limited", retryable=True)
    if status in (503, 529) or words & _OVERLOAD_WORDS:
        return _Class("overloaded", retryable=True)
    if (status is None or status >= 500) and _OVERLOAD_TEXT.search(text):
        return _Class("overloaded", retryable=True)
    if status is None and "unavailable" in words:
        return _Class("overloaded", retryable=True)
    if status is None and not words & _PASSING_WORDS and _RATE_TEXT.search(text):
        return _Class("rate_limited", retryable=True)
    if status is None:
        return _Class("raw", retryable=bool(words & _PASSING_WORDS))
    if status == 404 or words & {"model_not_found"}:
        return _Class("raw", reason="model_not_found" if words & _NO_MODEL_WORDS else "not_found")
    if status == 413:
        return _Class("raw", reason="request_too_large")
    return _Class("raw", retryable=status >= 500 or status in _PASSING_STATUSES)


def _is_quota(status: int | None, said: Told) -> bool:
    if status == 402:
        return True
    if status not in (None, 400, 403, 429):
        return False
    return any(_QUOTA_WORDS.fullmatch(word) for word in said.words) or bool(_QUOTA_TEXT.search(said.text))


def _is_bare(fault: ServerFault) -> bool:
    body = fault.body
    return not (body.strip() if isinstance(body, str | bytes) else body)


def _sentence(found: _Class, endpoint: Endpoint, status: int | None, text: str, waits: float | None) -> str:
    title = title_of(endpoint)
    with_text = f": {text}" if text else "."
    number = f" ({status})" if status is not None else ""
    if found.kind == "context_overflow":
        return f"The conversation is longer than the model of {title} can read. Shorten it, or begin a new session."
    if found.kind == "rejected_key":
        return f"{title} does not accept the key. {_set_key(endpoint)}"
    if found.reason == "missing_key":
        return f"{title} wants a key. {_set_key(endpoint)}"
    if found.kind == "auth_failed":
        return f"{title} does not allow this with the key that it got{number}{with_text}"
    if found.reason == "quota":
        return f"{title} answers no more until there is new credit, or a higher limit, at its account{with_text}"
    if found.kind == "rate_limited":
        return f"{title} takes no more requests for now. {_try_again(waits)}"
    if found.kind == "overloaded":
        return f"{title} is overloaded. {_try_again(waits)}"
    if found.reason == "not_found" and not text:
        return f"{title} has nothing at this address{number}. {_look_at_address(endpoint)}"
    if found.reason == "model_not_found":
        return f"{title} does not have this model, or not for this key{number}{with_text}"
    if text:
        return f"{title} answered with an error{number}: {text}"
    return f"{title} answered with an error{number} that is not meant for people; the log of agent-server has it."


def _of_transport(failure: HttpFailure, endpoint: Endpoint, secrets: tuple[str, ...]) -> ProviderError:
    title, raw = title_of(endpoint), f"{failure} ({failure.phase})"
    if isinstance(failure, BadRequest):
        if failure.field == "url":
            details = f"The address of {title} is no URL. {_look_at_address(endpoint)}"
        else:
            details = f"The key of {title}, or one of its headers, cannot be sent: {failure}."
        return ProviderError("auth_failed", details, provider=endpoint.name, reason="bad_header", raw=raw)
    if isinstance(failure, RedirectRefused):
        details = (
            f"{title} points to {harmless(failure.target, secrets)} instead of answering, where the key is not sent. "
            f"{_look_at_address(endpoint)}"
        )
        return ProviderError("raw", details, provider=endpoint.name, http_status=failure.status, reason="redirect")
    if isinstance(failure, AnswerUnreadable):
        details = f"{title} cannot be understood: {failure}. {_look_at_address(endpoint)}"
        return ProviderError("raw", details, provider=endpoint.name, raw=raw)
    reason = "timeout" if isinstance(failure, DeadlinePassed) else None
    passing = not (isinstance(failure, ConnectionFailed) and failure.why == "tls" and failure.phase == "tls")
    advice = "Is it running?" if endpoint.local else "Try again, or look at the connection."
    details = f"{title} cannot be reached: {failure}. {advice}"
    return ProviderError(
        "unreachable",
        details,
        retryable=passing,
        provider=endpoint.name,
        reason=reason,
        raw=for_the_log(f"{raw}: {_cause(failure)}", secrets),
    )


def _cause(failure: HttpFailure) -> str:
    return repr(failure.__cause__) if failure.__cause__ is not None else "no other cause"


def _set_key(endpoint: Endpoint) -> str:
    login = f"run `agent-server login {endpoint.name}`"
    if not endpoint.key_variables:
        return f"To set it, {login}."
    return f"Set {endpoint.key_variables[0]}, or {login}."


def _look_at_address(endpoint: Endpoint) -> str:
    from urllib.parse import urlsplit

    try:
        host = urlsplit(endpoint.base_url).hostname
    except ValueError:
        host = None
    return f"Is its base_url right ({host})?" if host else "Is its base_url right?"


def _try_again(waits: float | None) -> str:
    if waits is None:
        return "Try again in a while."
    if waits < 120:
        return f"Try again in {max(1, round(waits))} s."
    return (
        f"Try again in {round(waits / 60)} minutes." if waits < 7200 else f"Try again in {round(waits / 3600)} hours."
    )


def _request_id(headers: Mapping[str, str], said: Told, secrets: tuple[str, ...]) -> str | None:
    for value in (headers.get("request-id"), headers.get("x-request-id"), said.request_id, headers.get("cf-ray")):
        if value and len(value) <= 128 and value.isascii() and value.isprintable():
            return without_secrets(value, secrets)
    return None


def _raw(fault: ServerFault) -> str:
    body = fault.body
    if isinstance(body, bytes | bytearray):
        text = bytes(body).decode("utf-8", "replace")
    elif isinstance(body, str):
        text = body
    else:
        import json

        try:
            text = json.dumps(body, ensure_ascii=False, default=repr)
        except RecursionError:
            text = "an error that is nested too deeply to be shown"
    return f"{fault.status or 'in the stream'}: {text}"
