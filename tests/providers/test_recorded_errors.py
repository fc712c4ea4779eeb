"""Every recorded error of a server is of the class that is written here."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.providers.failures import classify
from agent_server.providers.wire import Endpoint, ServerFault
from tests.providers.cassettes import VARIABLE, Recorded, recorded

ACME = Endpoint("acme", "openai-chat", "https://api.acme.example/v1", "Acme", key_variables=("ACME_KEY",))

NO_MODEL = ("raw", "model_not_found")
NOT_FOUND = ("raw", "not_found")
RAW = ("raw", None)
BUSY = ("rate_limited", None)

EXPECTED: dict[str, tuple[str, str | None]] = {
    "aiplatform.googleapis.com-400-a9850766.txt": RAW,
    "aiplatform.googleapis.com-400-cbcf9d6a.txt": RAW,
    "aiplatform.googleapis.com-400-fdf215d6.txt": RAW,
    "api.anthropic.com-400-35eda1ee.txt": RAW,
    "api.anthropic.com-404-cdc26275.txt": NO_MODEL,
    "api.anthropic.com-404-d76ae02f.txt": NO_MODEL,
    "api.cohere.com-404-7965241d.txt": NOT_FOUND,
    "api.deepseek.com-400-72a8a25e.txt": RAW,
    "api.groq.com-400-3d18f5af.txt": RAW,
    "api.groq.com-400-94a2734e.txt": RAW,
    "api.groq.com-404-409ccdc6.txt": NO_MODEL,
    "api.groq.com-404-5d03f442.txt": NO_MODEL,
    "api.openai.com-400-06261da5.txt": RAW,
    "api.openai.com-400-1dd9e70a.txt": RAW,
    "api.openai.com-400-356e02ee.txt": NO_MODEL,
    "api.openai.com-400-397e40c6.txt": RAW,
    "api.openai.com-400-4ce6d65d.txt": RAW,
    "api.openai.com-400-4f53b900.txt": RAW,
    "api.openai.com-400-55e2982f.txt": RAW,
    "api.openai.com-400-585ded1e.txt": RAW,
    "api.openai.com-400-75921f34.txt": RAW,
    "api.openai.com-400-7a64bc7e.txt": RAW,
    "api.openai.com-400-7d4b6280.txt": RAW,
    "api.openai.com-400-9cdd6ebc.txt": RAW,
    "api.openai.com-400-af2d8221.txt": RAW,
    "api.openai.com-400-c5a9238c.txt": NO_MODEL,
    "api.openai.com-400-dd4917fe.txt": RAW,
    "api.openai.com-400-e025ab77.txt": RAW,
    "api.openai.com-400-ef0d2a83.txt": RAW,
    "api.openai.com-404-080a9354.txt": NO_MODEL,
    "api.openai.com-404-cda42346.txt": NO_MODEL,
    "api.voyageai.com-400-7b1e39c8.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-0ae94237.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-26bec459.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-4a120ff6.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-4e580a19.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-57534dcf.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-7668ce62.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-7c0d280b.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-8d971aec.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-9a2fb152.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-b59f6f18.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-b7d0b357.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-be87132e.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-bed10854.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-d1c4818c.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-d663b79b.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-d67621c0.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-dd04ceb1.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-dd6e10a3.txt": RAW,
    "bedrock-runtime.us-east-1.amazonaws.com-400-ee9bea2b.txt": RAW,
    "generativelanguage.googleapis.com-404-23dec1c9.txt": NO_MODEL,
    "generativelanguage.googleapis.com-404-ca0588c0.txt": NO_MODEL,
    "generativelanguage.googleapis.com-404-ef51ae84.txt": NO_MODEL,
    "openrouter.ai-429-29144842.txt": BUSY,
    "openrouter.ai-429-8b5bcf9e.txt": BUSY,
    "openrouter.ai-429-df29b7ef.txt": BUSY,
}


def errors() -> list[Any]:
    found = [one for one in recorded() if one.expected is None and one.index["code"] >= 400]
    if not found:
        skipped = pytest.mark.skip(reason=f"no recorded errors: {VARIABLE} names no directory that holds them")
        return [pytest.param(None, marks=skipped, id="absent")]
    return [pytest.param(one, id=one.name) for one in found]


@pytest.mark.parametrize("error", errors())
def test_a_recorded_error_is_of_its_class_and_is_told_in_one_line(error: Recorded) -> None:
    headers = {name.lower(): values[0] for name, values in error.index["headers"].items()}
    told = classify(ServerFault(error.body, error.index["code"], headers), ACME)
    assert (told.kind, told.reason) == EXPECTED[error.name]
    assert told.http_status == error.index["code"] and told.retryable == (told.kind == "rate_limited")
    assert told.details.startswith("Acme ") and len(told.details) < 400 and told.details.isprintable()


def test_none_is_forgotten() -> None:
    found = {one.name for one in recorded() if one.expected is None and one.index["code"] >= 400}
    if found:
        assert found == set(EXPECTED)
