from __future__ import annotations

import re
import time

import pytest

from agent_server.conversation.question_rules import (
    MAX_FIELDS,
    is_checkable,
    looks_secret,
    problem_with_form,
    problem_with_url,
    secret_field,
)
from agent_server.conversation.questions import (
    Choice,
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
    UserForm,
)

NAME = TextField(name="name")


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "db_password", "dbPassword", "Your password", "passwd", "pwd", "passphrase",
        "pass-phrase", "token", "accessToken", "ACCESS_TOKEN", "API tokens", "apiKey", "api_key", "API key", "APIKey",
        "api-keys", "private key", "sshKey", "secret", "client_secret", "credentials", "PIN", "pin",
        "Card PIN", "otp", "CVV",
        "recovery code", "seed phrase", "Card number",
    ],
)  # fmt: skip
def test_what_is_called_like_a_secret_looks_like_one(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "name", "max_tokens", "tokenizer", "keyboard", "monkey", "key", "primary_key", "spinner", "pinned", "opinion",
        "secretary", "passport", "compass", "author", "code", "card", "", "ü",
    ],
)  # fmt: skip
def test_what_only_sounds_similar_does_not(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    "field",
    [
        TextField(name="password"),
        TextField(name="value", title="Your API key"),
        IntegerField(name="pin"),
        NumberField(name="x", title="PIN"),
    ],
)
def test_a_field_that_asks_for_a_secret_is_found(field: FormField) -> None:
    assert secret_field(UserForm("?", (NAME, field))) == field.name


@pytest.mark.parametrize(
    "field",
    [
        FlagField(name="pin", title="Pin the version?"),
        TextField(name="secret", choices=(Choice("vault"), Choice("file"))),
        ChoicesField(name="tokens", choices=(Choice("a"),)),
        TextField(name="where", description="Not the password itself"),
    ],
)
def test_a_field_that_can_hold_no_secret_may_speak_of_one(field: FormField) -> None:
    assert secret_field(UserForm("?", (field,))) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a/b?state=x&code_challenge=y#part",
        "HTTPS://EXAMPLE.COM/",
        "http://localhost:8080/login",
        "http://127.0.0.1/",
        "http://127.8.9.1:1/",
        "http://[::1]:8080/",
        "https://[2001:db8::1]/",
    ],
)
def test_a_page_behind_https_or_on_this_machine_may_be_visited(url: str) -> None:
    assert problem_with_url(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "no host"),
        ("example.com", "no host"),
        ("https:///x", "no host"),
        ("http://example.com/", "https"),
        ("http://localhost.example.com/", "https"),
        ("http://127.0.0.1.example.com/", "https"),
        ("http://0.0.0.0/", "https"),
        ("http://10.0.0.1/", "https"),
        ("ftp://example.com/", "https"),
        ("file://localhost/etc/passwd", "https"),
        ("javascript://example.com/%0aalert(1)", "https"),
        ("data:text/html,x", "no host"),
        ("https://user@example.com/", "credentials"),
        ("https://user:word@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://example.com/?access_token=x", "credentials"),
        ("https://example.com/?a=1&api_key=", "credentials"),
        ("https://example.com/#token=x", "credentials"),
        ("https://example.com:port/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://exam ple.com/", "characters"),
        ("https://example.com/\n", "characters"),
        ("https://example.com\\@evil.example/", "characters"),
        ("https://exämple.com/", "characters"),
        ("https://example.com/" + "x" * 5000, "too long"),
    ],
)
def test_no_other_page_may_be_visited(url: str, problem: str) -> None:
    assert problem in (problem_with_url(url) or "")


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}$", r"^v?\d+\.\d+\.\d+$", r"^[a-z][a-z0-9_-]*$", r"^[A-Z]{2,5}-\d{1,6}$", r"^(feat|fix): .+$",
        "x", r"^[+*?{}()]{3}$", r"^\(\+\)$", r"^(?:ab)+$", "",
    ],
)  # fmt: skip
def test_the_usual_patterns_can_be_checked(pattern: str) -> None:
    assert is_checkable(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|aa)*$", "(a*)*b", "(a?){30}", "a*a*a*a*b", "a?" * 30 + "a" * 30, "(", "[", "*", "(?<=a*)"]
)
def test_a_pattern_that_is_none_or_may_take_forever_cannot(pattern: str) -> None:
    assert not is_checkable(pattern)


@pytest.mark.parametrize("pattern", ["a*a*a*b", "^.*a.*b.*c$", "a{0,200}a{0,200}a{0,200}b", "(aa)*b", r"(a*)\1b"])
def test_what_can_be_checked_is_checked_in_no_time(pattern: str) -> None:
    assert is_checkable(pattern)
    start = time.process_time()
    re.search(pattern, "a" * 200)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (UserForm(" ", (NAME,)), "message"),
        (UserForm("?", ()), "fields"),
        (UserForm("?", tuple(TextField(name=str(number)) for number in range(MAX_FIELDS + 1))), "fields"),
        (UserForm("?", (NAME, NAME)), "different names"),
        (UserForm("?", (TextField(name=""),)), "different names"),
        (UserForm("?", (TextField(name="f", choices=(Choice("a"), Choice("a", "A"))),)), "choices of f"),
        (UserForm("?", (ChoicesField(name="f", choices=()),)), "choices of f"),
        (UserForm("?", (TextField(name="f\n", pattern="("),)), r"pattern of f\n"),
        (UserForm("?", (TextField(name="f", default="b", choices=(Choice("a"),)),)), "default of f"),
        (UserForm("?", (IntegerField(name="f", default=0, minimum=1),)), "default of f"),
        (UserForm("?", (ChoicesField(name="f", default=("b",), choices=(Choice("a"),)),)), "default of f"),
    ],
)
def test_a_form_that_nobody_could_fill_in_is_told_why(form: UserForm, problem: str) -> None:
    assert problem in (problem_with_form(form) or "")


def test_a_good_form_has_no_problem() -> None:
    fields = (
        TextField(name="a", default="x", pattern="x"),
        FlagField(name="b", default=False),
        ChoicesField(name="c", choices=(Choice("a"), Choice("b")), default=("b",)),
        NumberField(name="d", default=0.0, minimum=0.0),
    )
    assert problem_with_form(UserForm("?", fields)) is None
