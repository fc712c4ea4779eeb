"""What stands under the name of a secret is taken out, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.redaction import REDACTED, is_secret, redacted, redacted_text

SECRET_NAMES = [
    "token", "accessToken", "access_token", "accesstoken", "GITHUB_TOKEN", "HTTPToken", "refresh-token",
    "access_tokens", "api_key", "apiKey", "api-key", "APIKEY", "X-Api-Key", "OPENAI_API_KEY", "secretAccessKey",
    "private_key", "sshKey", "password", "userPassword", "DB_PASSWORD", "passwd", "passphrase", "secret",
    "clientSecret", "client.secret", "credential", "credentials", "authorization", "Proxy-Authorization", "Set-Cookie",
]  # fmt: skip
PLAIN_NAMES = [
    "max_tokens", "maxTokens", "tokens", "token_count", "tokenCount", "tokenizer", "token_type", "tokenUrl",
    "key", "keys", "primary_key", "publicKey", "keyboard", "monkey", "author", "authorize", "secretary", "pwd",
    "password_policy", "credentials_path", "authorization_endpoint", "path", "content", "",
]  # fmt: skip
DIRTY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["a", "max_tokens", "apiKey", "value", "name", "password"]), inner, max_size=4),
    max_leaves=12,
)
CLEAN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(PLAIN_NAMES), inner, max_size=4),
)


@pytest.mark.req("EV-02")
@pytest.mark.promise("P13")
@pytest.mark.parametrize("name", SECRET_NAMES)
def test_what_stands_under_the_name_of_a_secret_is_replaced_however_the_name_is_spelt(name: str) -> None:
    assert redacted({name: "canary", "path": "a"}) == {name: REDACTED, "path": "a"}
    assert redacted({"deep": [{name: {"user": "u", "any": ["canary"]}}]}) == {"deep": [{name: REDACTED}]}


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_that_only_look_alike_hide_nothing(name: str) -> None:
    value = {name: "shown"}
    assert redacted(value) is value


@pytest.mark.parametrize("value", [None, True, False, ""])
def test_what_gives_nothing_away_is_shown(value: Any) -> None:
    assert not is_secret("password", value)


def test_a_number_called_a_token_is_a_count_and_a_password_of_digits_is_a_password() -> None:
    assert redacted({"token": 4096, "password": 4096}) == {"token": 4096, "password": REDACTED}


@pytest.mark.parametrize("naming", ["name", "key"])
def test_variables_and_headers_in_lists_are_understood(naming: str) -> None:
    variables = [{naming: "API_KEY", "value": "canary"}, {naming: "LANG", "value": "C"}]
    assert redacted({"env": variables}) == {"env": [{naming: "API_KEY", "value": REDACTED}, variables[1]]}


def test_what_is_nested_too_deeply_to_be_looked_into_is_not_shown() -> None:
    value: Any = {"token": "canary"}
    for _ in range(500):
        value = [value]
    assert "canary" not in repr(redacted(value))


def test_a_value_that_holds_itself_comes_to_an_end() -> None:
    value: dict[str, Any] = {"token": "canary"}
    value["self"] = value
    assert redacted(value)["token"] == REDACTED


@given(CLEAN)
def test_without_a_secret_it_is_the_very_same_value(value: Any) -> None:
    assert redacted(value) is value


@given(DIRTY)
def test_the_value_itself_is_never_changed_and_a_second_time_changes_nothing(value: Any) -> None:
    before = copy.deepcopy(value)
    once = redacted(value)
    assert value == before
    assert redacted(once) == once


@pytest.mark.req("EV-02")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("retry with api_key=canary&x=1", f"retry with api_key={REDACTED}&x=1"),
        ("Authorization: Bearer canary, again", f"Authorization: {REDACTED}, again"),
        ('{"client_secret": "can ary", "n": 2}', f'{{"client_secret": {REDACTED}, "n": 2}}'),
        ("https://u/?page=2&token=canary", f"https://u/?page=2&token={REDACTED}"),
        ("password: 1234", f"password: {REDACTED}"),
        ("max_tokens: 4096 is above the limit", "max_tokens: 4096 is above the limit"),
        ("token: 5 of 7", "token: 5 of 7"),
        ("Retrying in 3 s: the server is overloaded", "Retrying in 3 s: the server is overloaded"),
        ("primary key: id", "primary key: id"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_secrets_in_a_text_are_found_by_the_name_before_them(text: str, shown: str) -> None:
    assert redacted_text(text) == shown
