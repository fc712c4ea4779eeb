"""Why a model could not answer: each documented error has its class, and a sentence that people may read."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from agent_server.errors import ProviderError
from agent_server.http_client.failures import (
    AnswerTooLarge,
    AnswerUnreadable,
    BadRequest,
    ConnectionFailed,
    ConnectionLost,
    DeadlinePassed,
    HttpFailure,
    RedirectRefused,
)
from agent_server.providers.failures import classify, missing_key
from agent_server.providers.wire import Endpoint, ServerFault, StreamCut

ACME = Endpoint("acme", "openai-chat", "https://me:pw@api.acme.example/v1?x=1", "Acme", key_variables=("ACME_KEY",))
NOW_S = 1_790_000_000.0
QUOTA = "quota"


def error(message: str = "", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def claude(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "req_1"}


def google(status: str, message: str, *details: dict[str, Any], code: int = 400) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def judged(
    status: int | None, body: Any, /, *, key_sent: bool = True, secret: str = "", **headers: str
) -> ProviderError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = (secret,) if secret else ()
    return classify(ServerFault(body, status, named), ACME, key_sent=key_sent, secrets=sent, now_s=NOW_S)


PER_DAY = {"@type": "t.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
PER_MINUTE = {"@type": "t.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}
BAD_KEY = {"@type": "t.ErrorInfo", "reason": "API_KEY_INVALID"}

DOCUMENTED: list[tuple[int | None, Any, str, str | None, bool]] = [
    # Anthropic
    (400, claude("invalid_request_error", "messages: at least one message is required"), "raw", None, False),
    (
        400,
        claude("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "context_overflow",
        None,
        False,
    ),
    (
        400,
        claude("invalid_request_error", "Your credit balance is too low to access the API."),
        "rate_limited",
        QUOTA,
        False,
    ),
    (
        400,
        claude("invalid_request_error", "You have reached your specified API usage limits."),
        "rate_limited",
        QUOTA,
        False,
    ),
    (400, claude("invalid_request_error", "no", "enforced_spend_limit_reached"), "rate_limited", QUOTA, False),
    (429, claude("rate_limit_error", "no", "contract_spend_limit_reached"), "rate_limited", QUOTA, False),
    (429, claude("rate_limit_error", "no", "ramp_limit_exceeded"), "rate_limited", None, True),
    (401, claude("authentication_error", "invalid x-api-key"), "rejected_key", None, False),
    (
        401,
        claude("authentication_error", "CORS requests are not allowed for this key"),
        "auth_failed",
        "forbidden",
        False,
    ),
    (402, claude("billing_error", "pay"), "rate_limited", QUOTA, False),
    (403, claude("permission_error", "not this model"), "auth_failed", "forbidden", False),
    (404, claude("not_found_error", "model: x"), "raw", "model_not_found", False),
    (409, claude("conflict_error", "busy"), "raw", None, True),
    (413, claude("request_too_large", "Request exceeds the maximum size"), "raw", "request_too_large", False),
    (429, claude("rate_limit_error", "This request would exceed your rate limit"), "rate_limited", None, True),
    (500, claude("api_error", "Internal server error"), "raw", None, True),
    (504, claude("timeout_error", "took too long"), "raw", None, True),
    (529, claude("overloaded_error", "Overloaded"), "overloaded", None, True),
    (None, claude("overloaded_error", "Overloaded"), "overloaded", None, True),
    (None, claude("api_error", "Overloaded"), "overloaded", None, True),
    (None, claude("api_error", "Internal server error"), "raw", None, True),
    # OpenAI
    (401, error("Incorrect API key provided: sk-ab***yz.", code="invalid_api_key"), "rejected_key", None, False),
    (403, error("Country, region, or territory not supported"), "auth_failed", "forbidden", False),
    (404, error("The model `x` does not exist", code="model_not_found"), "raw", "model_not_found", False),
    (400, error("no such model", code="model_not_found"), "raw", "model_not_found", False),
    (
        400,
        error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
        "context_overflow",
        None,
        False,
    ),
    (429, error("Rate limit reached for gpt-x", code="rate_limit_exceeded"), "rate_limited", None, True),
    (
        429,
        error("Request too large on tokens per min: too many tokens", code="rate_limit_exceeded"),
        "rate_limited",
        None,
        True,
    ),
    (429, error("You exceeded your current quota", code="insufficient_quota"), "rate_limited", QUOTA, False),
    (429, error("x", code="credit_balance_exhausted"), "rate_limited", QUOTA, False),
    (429, error("x", code="billing_hard_limit_reached"), "rate_limited", QUOTA, False),
    (429, error("x", code="slow_down"), "rate_limited", None, True),
    (500, error("The server had an error", type="server_error"), "raw", None, True),
    (503, error("x", code="server_is_overloaded"), "overloaded", None, True),
    (503, error("x", code="slow_down"), "overloaded", None, True),
    (None, error("x", code="context_length_exceeded"), "context_overflow", None, False),
    (None, error("x", code="insufficient_quota"), "rate_limited", QUOTA, False),
    (None, error("x", code="usage_not_included"), "rate_limited", QUOTA, False),
    (None, error("Try again in 11.054s.", code="rate_limit_exceeded"), "rate_limited", None, True),
    (None, error("x", code="server_error"), "raw", None, True),
    (None, error("x", code="invalid_prompt"), "raw", None, False),
    # Gemini
    (
        400,
        google("INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", BAD_KEY),
        "rejected_key",
        None,
        False,
    ),
    (400, [google("INVALID_ARGUMENT", "Bad", BAD_KEY)], "rejected_key", None, False),
    (
        400,
        google("INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        "context_overflow",
        None,
        False,
    ),
    (403, google("PERMISSION_DENIED", "no", code=403), "auth_failed", "forbidden", False),
    (
        429,
        google("RESOURCE_EXHAUSTED", "You exceeded your current quota", PER_MINUTE, code=429),
        "rate_limited",
        None,
        True,
    ),
    (
        429,
        google("RESOURCE_EXHAUSTED", "You exceeded your current quota", PER_DAY, code=429),
        "rate_limited",
        QUOTA,
        False,
    ),
    (503, google("UNAVAILABLE", "The model is overloaded.", code=503), "overloaded", None, True),
    (None, google("UNAVAILABLE", "The model is overloaded.", code=503), "overloaded", None, True),
    (None, google("RESOURCE_EXHAUSTED", "x", code=429), "rate_limited", None, True),
    (
        None,
        error("The model made a call of a function that does not exist.", status="MALFORMED_FUNCTION_CALL"),
        "raw",
        None,
        False,
    ),
    # others
    (402, error("Insufficient Balance"), "rate_limited", QUOTA, False),
    (402, error("This request requires more credits", code=402), "rate_limited", QUOTA, False),
    (None, {**error("Provider disconnected", code=502), "choices": [{"delta": {}}]}, "raw", None, True),
    (None, error("too many", code=429), "rate_limited", None, True),
    (429, {"error": {"code": "1113", "message": "余额不足"}}, "rate_limited", QUOTA, False),
    (429, {"error": {"code": "1302", "message": "too quick"}}, "rate_limited", None, True),
    (429, error("x", type="exceeded_current_quota_error"), "rate_limited", QUOTA, False),
    (
        400,
        {"object": "error", "message": "Prompt contains too much", "type": "invalid_request_prompt", "code": "3051"},
        "context_overflow",
        None,
        False,
    ),
    (
        400,
        {
            **error("the request exceeds the available context size", type="exceed_context_size_error", code=400),
            "n_ctx": 4096,
        },
        "context_overflow",
        None,
        False,
    ),
    (
        400,
        error("Trying to keep the first 9 tokens, greater than the context length of 8"),
        "context_overflow",
        None,
        False,
    ),
    (400, b"", "context_overflow", None, False),
    (413, b" \n", "context_overflow", None, False),
    (401, b"", "rejected_key", None, False),
    (404, b"404 page not found", "raw", "not_found", False),
    (502, b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", "raw", None, True),
    (503, b"<html>no</html>", "overloaded", None, True),
    (400, {"error": "boom"}, "raw", None, False),
    (400, "boom", "raw", None, False),
    (422, {"detail": [{"msg": "Field required", "loc": ["body"]}]}, "raw", None, False),
    (400, {"error": {"code": "401", "message": "contains 401 in its text"}}, "raw", None, False),
    (400, {"error": None}, "raw", None, False),
    (418, 12345, "raw", None, False),
    (400, b'event: error\ndata: {"error": {"code": "context_length_exceeded"}}\n\n', "context_overflow", None, False),
    (500, b"\xff\xfe\x00", "raw", None, True),
]


@pytest.mark.parametrize(("status", "body", "kind", "reason", "retryable"), DOCUMENTED)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_documented_error_is_of_its_class(
    status: int | None, body: Any, kind: str, reason: str | None, retryable: bool, as_bytes: bool
) -> None:
    told = judged(status, json.dumps(body).encode() if as_bytes and not isinstance(body, bytes | str) else body)
    assert (told.kind, told.reason, told.retryable) == (kind, reason, retryable)
    assert told.provider == "acme" and "Acme" in told.details and told.details.isprintable() and len(told.details) < 400


@pytest.mark.req("CR-11")
def test_a_status_says_more_than_a_text() -> None:
    assert judged(400, error("error 401: unauthorized, rate limit 429, overloaded")).kind == "raw"
    assert judged(500, error("unauthorized: invalid_api_key, 429")).kind == "raw"
    assert judged(429, error("prompt is too long")).kind == "rate_limited"
    assert judged(401, error("rate limit")).kind == "rejected_key"


def test_a_server_that_wants_a_key_that_nobody_has_is_told_from_one_that_refuses_a_key() -> None:
    told = judged(401, error("no auth"), key_sent=False)
    assert (told.kind, told.reason) == ("auth_failed", "missing_key")
    told = missing_key(ACME)
    assert (told.kind, told.reason, told.retryable) == ("auth_failed", "missing_key", False)
    assert told.details == "There is no key for Acme. Set ACME_KEY, or run `agent-server login acme`."


@pytest.mark.parametrize(
    ("headers", "body", "wait_s"),
    [
        ({"retry_after": "7"}, {}, 7.0),
        ({"retry_after": "0.25"}, {}, 0.25),
        ({"retry_after": "3", "retry_after_ms": "4500"}, {}, 4.5),
        ({"retry_after": "Mon, 21 Sep 2026 14:13:50 GMT"}, {}, 30.0),
        ({"retry_after": "Mon, 21 Sep 2020 13:33:50 GMT"}, {}, 0.0),
        ({"retry_after": "soon"}, {}, None),
        ({"retry_after": "-3"}, {}, None),
        ({"retry_after": "nan"}, {}, None),
        ({"retry_after": "Mon, 99 Xxx 2026"}, {}, None),
        ({}, google("RESOURCE_EXHAUSTED", "no", {"@type": "t.RetryInfo", "retryDelay": "14s"}), 14.0),
        ({"retry_after": "20"}, google("X", "no", {"@type": "t.RetryInfo", "retryDelay": "14.5s"}), 20.0),
        ({}, error("Please try again in 11.054s. Visit us."), 11.054),
        ({}, error("Please try again in 6m0s."), 360.0),
        ({}, error("Please try again in 1h2m3s."), 3723.0),
        ({}, error("try again in 20ms"), 0.02),
        ({}, error("Retry after 5 seconds"), 5.0),
        ({}, error("Please retry in 14.2s."), 14.2),
        ({}, error("try again in a while"), None),
        ({}, error("no"), None),
    ],
)
def test_the_longest_wait_that_a_server_names_is_taken(
    headers: dict[str, str], body: Any, wait_s: float | None
) -> None:
    told = judged(429, body, key_sent=True, secret="", **headers)
    assert told.retry_after_s == (None if wait_s is None else pytest.approx(wait_s)) and told.retryable


def test_a_server_that_says_whether_to_try_again_is_believed_but_for_money() -> None:
    assert not judged(503, {}, x_should_retry="false").retryable
    assert judged(400, error("no"), x_should_retry="true").retryable
    assert not judged(429, error("", code="insufficient_quota"), x_should_retry="true").retryable


def test_the_id_of_a_request_is_kept_if_it_is_one() -> None:
    assert judged(500, {}, request_id="req_2").request_id == "req_2"
    assert judged(500, {}, x_request_id="abc").request_id == "abc"
    assert judged(500, claude("api_error", "x")).request_id == "req_1"
    assert judged(500, {}, request_id="a\x1b[2J").request_id is None
    assert judged(500, {}, request_id="a" * 200).request_id is None


@pytest.mark.req("CR-10")
def test_anything_else_is_shown_as_the_server_said_it() -> None:
    assert judged(400, error("boom")).details == "Acme answered with an error (400): boom"
    assert judged(None, error("boom")).details == "Acme answered with an error: boom"
    relayed = {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps(error("boom"))}}}
    assert judged(400, relayed).details == "Acme answered with an error (400): boom"


GENERIC = "Acme answered with an error (500) that is not meant for people; the log of agent-server has it."


@pytest.mark.req("CR-09")
@pytest.mark.parametrize(
    "dump",
    [
        'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in f\nValueError: x',
        "Error: x\n    at Object.<anonymous> (/srv/app.js:10:5)",
        "panic: runtime error\n\ngoroutine 1 [running]:\nmain.main()",
        "thread 'main' panicked at src/main.rs:2:5",
        "<!DOCTYPE html><html><body>502</body></html>",
        "<html>",
        "<Response object at 0x7f2a3b4c5d6e>",
        "Exception in thread main java.lang.X",
    ],
)
def test_what_a_program_spills_is_for_the_log_only(dump: str) -> None:
    for body in (error(dump), dump, dump.encode()):
        told = judged(500, body)
        assert told.details == GENERIC
        assert dump.splitlines()[0] in told.raw.replace("\\", "")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("two\nlines\r\n\tand more", "two lines and more"),
        ("red \x1b[31malert\x07", "red \\x1b[31malert\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("key sk-proj-abcdefghijklmnop is bad", "key [redacted] is bad"),
        ("your key hunter2-but-long was refused", "your key [redacted] was refused"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: [redacted]"),
        ("see https://me:word@host/x", "see https://[redacted]host/x"),
        ("AIzaSyA1234567890abcdefg was refused", "[redacted] was refused"),
        ("x" * 5000, "x" * 299 + "…"),
    ],
)
def test_what_a_server_says_is_shown_in_one_clean_line_without_secrets(said: str, shown: str) -> None:
    told = judged(400, error(said), secret="hunter2-but-long")
    assert told.details == f"Acme answered with an error (400): {shown}"
    for secret in ("hunter2-but-long", "sk-proj-abcdef", "abcdefghijkl", "AIzaSyA1"):
        assert secret not in told.raw and secret not in told.details


def test_what_is_for_the_log_has_an_end() -> None:
    assert len(judged(400, b"a" * 1_000_000).raw) < 5000


@pytest.mark.parametrize("body", [{"error": {"error": {"error": "deep"}}}, [[[["x"]]]], {"error": [{"message": "x"}]}])
def test_odd_shapes_are_survived(body: Any) -> None:
    assert judged(400, body).kind == "raw"


def test_a_body_that_is_nested_without_end_is_survived() -> None:
    body: Any = "x"
    for _ in range(5000):
        body = {"error": body}
    assert judged(400, body).kind == "raw"
    assert judged(400, b'{"error":' * 100_000).kind == "raw"
    assert judged(400, gzip.compress(b"x")).kind == "raw"


@pytest.mark.parametrize(
    ("failure", "kind", "reason", "retryable", "says"),
    [
        (
            ConnectionFailed("h refuses the connection", host="h", phase="connect", why="refused"),
            "unreachable",
            None,
            True,
            "refuses",
        ),
        (
            ConnectionFailed("the name h is not known", host="h", phase="connect", why="unknown_host"),
            "unreachable",
            None,
            True,
            "not known",
        ),
        (
            ConnectionFailed("the certificate of h is not trusted", host="h", phase="tls", why="tls"),
            "unreachable",
            None,
            False,
            "not trusted",
        ),
        (
            ConnectionLost("h broke off in its answer", host="h", phase="body", answered=True),
            "unreachable",
            None,
            True,
            "broke off",
        ),
        (
            DeadlinePassed("first_byte_s", 300, host="h", phase="first_byte"),
            "unreachable",
            "timeout",
            True,
            "within 300 s",
        ),
        (RedirectRefused("else.example", host="h", status=301), "raw", "redirect", False, "else.example"),
        (AnswerUnreadable("h does not speak HTTP", host="h"), "raw", None, False, "does not speak HTTP"),
        (AnswerTooLarge("the answer of h is larger than 9 bytes", host="h"), "raw", None, False, "larger than 9 bytes"),
        (BadRequest("x-api-key", host="h"), "auth_failed", "bad_header", False, "the header x-api-key"),
        (BadRequest("url"), "auth_failed", "bad_header", False, "is no URL"),
    ],
)
def test_a_request_that_came_to_nothing_is_told_by_what_stood_against_it(
    failure: HttpFailure, kind: str, reason: str | None, retryable: bool, says: str
) -> None:
    told = classify(failure, ACME)
    assert (told.kind, told.reason, told.retryable) == (kind, reason, retryable)
    assert says in told.details and "Acme" in told.details and "pw" not in told.details


def test_what_breaks_off_and_what_is_no_answer_is_told() -> None:
    told = classify(StreamCut(), ACME)
    assert (told.kind, told.retryable) == ("unreachable", True) and "Acme" in told.details
    told = classify(ValueError("<html>Log in to our network</html>"), ACME)
    assert (told.kind, told.retryable) == ("raw", False)
    assert told.details == "Acme sent something that is no answer of a model. Is its base_url right (api.acme.example)?"
    assert "Log in" in told.raw
