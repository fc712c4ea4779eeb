"""A server's words without what was sent to it, and soon, however they were written."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote

import pytest

from agent_server.conversation.redaction import REDACTED
from agent_server.providers.error_bodies import told
from agent_server.providers.server_text import MAX_RAW_CHARS, for_the_log, harmless, says_secret, without_secrets

pytestmark = pytest.mark.promise("P13")

ODD = "Zt7$(id)&`x`<y>;|'\"\\/+=%41!Q9"
WORD = "correcthorsebatterystaple"


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        json.dumps(ODD)[1:-1],
        json.dumps(json.dumps(ODD)[1:-1])[1:-1],
        ODD.replace("&", "\\u0026").replace("<", "\\u003C").replace(">", "\\u003e"),
        ODD.replace("/", "\\/"),
        quote(ODD, safe=""),
        quote(ODD, safe="").lower(),
        html.escape(ODD),
        repr(ODD)[1:-1],
        ODD.lower(),
        ODD.upper(),
    ],
)
def test_a_secret_is_taken_out_however_it_is_written(written: str) -> None:
    assert without_secrets(f"before {written} after", (ODD,)) == f"before {REDACTED} after"
    assert says_secret(written, (ODD,))


@pytest.mark.parametrize("shown", range(6, len(WORD)))
def test_a_secret_that_is_cut_at_the_end_is_taken_out_too(shown: int) -> None:
    text = "x" * (MAX_RAW_CHARS - shown) + WORD
    assert WORD[:6] not in for_the_log(text, (WORD,))
    assert WORD[:6] not in harmless("the key is " + WORD[:shown], (WORD,))


def test_words_that_are_no_secret_stay() -> None:
    assert harmless("The model is correct, horse.", (WORD, "abc")) == "The model is correct, horse."
    assert not says_secret("battery", (WORD,))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 20_000,
        "\n" * 19_000 + "x",
        "eyJ-" * 5000,
        "sk-" * 6000,
        "key" * 6000,
        "try again in " + "1a" * 9000,
        "A(" * 9000,
    ],
)
def test_a_text_that_is_written_to_keep_us_busy_is_done_with_soon(text: str) -> None:
    began_s = time.process_time()
    harmless(text, (WORD,))
    for_the_log(text, (WORD,))
    assert time.process_time() - began_s < 0.5


def test_an_error_of_half_a_million_messages_is_read_soon() -> None:
    error = {f"e{number}": {"message": "no " * 20} for number in range(300_000)}
    began_s = time.process_time()
    assert told({"error": error}).text.startswith("no no")
    assert time.process_time() - began_s < 3
