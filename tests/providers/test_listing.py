"""What servers say of their models, read as each of them says it."""

from __future__ import annotations

from typing import Any

import pytest

from agent_server.providers.choice import MAX_MODELS
from agent_server.providers.known import ENDPOINTS
from agent_server.providers.listing import ListedModel, list_path, listed_models
from agent_server.providers.model_table import known_model, known_models, providers_of
from agent_server.providers.provider import Price


def listed(provider: str, *rows: Any) -> tuple[ListedModel, ...]:
    endpoint = ENDPOINTS[provider]
    return listed_models(endpoint, {"models" if endpoint.format == "gemini" else "data": list(rows)})


def names(provider: str, *ids: str) -> list[str]:
    return [model.id for model in listed(provider, *({"id": model_id} for model_id in ids))]


def test_anthropic_says_windows_efforts_and_whether_a_model_sees() -> None:
    yes, no = {"supported": True}, {"supported": False}
    effort = {"supported": True, "low": yes, "medium": yes, "high": yes, "max": yes, "xhigh": no}
    row = {
        "type": "model", "id": "claude-x", "display_name": "Claude X", "lifecycle": "active",
        "max_input_tokens": 1_000_000, "max_tokens": 128_000, "capabilities": {"image_input": yes, "effort": effort},
    }  # fmt: skip
    (model,) = listed("anthropic", row, {**row, "id": "claude-gone", "lifecycle": "retired"})
    assert model == ListedModel(
        "claude-x", "Claude X", 1_000_000, 128_000, images=True, efforts=("low", "medium", "high", "max")
    )


def test_gemini_says_limits_and_what_a_model_is_for() -> None:
    row = {
        "name": "models/gemini-x", "displayName": "Gemini X", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"], "thinking": True,
    }  # fmt: skip
    models = listed(
        "gemini", row, {**row, "name": "models/gemini-embedding-x", "supportedGenerationMethods": ["embedContent"]},
        {**row, "name": "models/gemini-x-image"}, {**row, "name": "models/plain", "thinking": False},
    )  # fmt: skip
    assert [(model.id, model.efforts) for model in models] == [("gemini-x", None), ("plain", ())]
    assert (models[0].name, models[0].window_tokens, models[0].output_tokens) == ("Gemini X", 1_048_576, 65_536)


def test_of_what_openai_has_only_what_writes_text_is_offered_and_dates_only_where_nothing_else_is() -> None:
    ids = (
        "gpt-6-sol", "gpt-6-sol-2026-09-01", "o9", "gpt-image-3", "gpt-6-realtime", "whisper-1", "text-embedding-4",
        "dall-e-4", "gpt-5-search-api", "gpt-9-2027-01-01", "davinci-002", "gpt-5-instruct",
    )  # fmt: skip
    assert names("openai", *ids) == ["gpt-6-sol", "o9", "gpt-9-2027-01-01"]


def test_mistral_says_which_models_talk_and_take_tools() -> None:
    can = {"completion_chat": True, "function_calling": True, "vision": True}
    models = listed(
        "mistral",
        {"id": "large", "name": "large", "capabilities": can, "max_context_length": 262144},
        {"id": "ocr", "capabilities": {**can, "completion_chat": False}},
        {"id": "plain", "capabilities": {**can, "function_calling": False}},
        {"id": "old", "capabilities": can, "archived": True},
    )
    assert models == (ListedModel("large", None, 262144, images=True, tools=True),)


def test_groq_and_vllm_and_llama_cpp_say_their_windows_each_in_its_own_words() -> None:
    rows = [
        {"id": "a", "context_window": 131072, "max_completion_tokens": 65536, "active": True},
        {"id": "b", "context_window": 1, "active": False},
        {"id": "c", "max_model_len": 32768},
        {"id": "d", "meta": {"n_ctx": 4096, "n_ctx_train": 131072}},
    ]
    models = listed("groq", *rows)
    assert [(model.id, model.window_tokens) for model in models] == [("a", 131072), ("c", 32768), ("d", 4096)]
    assert models[0].output_tokens == 65536


def test_a_price_that_depends_is_no_price() -> None:
    def price(**pricing: Any) -> Price | None:
        (model,) = listed("openrouter", {"id": "x/y", "pricing": pricing})
        return model.price

    assert price(prompt="0.000003", completion="0.000015") == Price(3.0, 15.0)
    assert price(prompt="0", completion="0", input_cache_read="0", input_cache_write="0.1e-6") == Price(0, 0, 0, 0.1)
    odd: list[dict[str, Any]] = [
        {}, {"prompt": "-1", "completion": "-1"}, {"prompt": "1e-6"}, {"prompt": "nan", "completion": "0"},
        {"prompt": [], "completion": {}}, {"prompt": "5", "completion": "5"},
    ]  # fmt: skip
    assert [price(**pricing) for pricing in odd] == [None] * len(odd)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "gemini", "openrouter"])
@pytest.mark.parametrize("body", [None, 7, "x", {}, {"data": None}, {"models": {}}])
def test_what_is_no_list_is_refused(provider: str, body: Any) -> None:
    with pytest.raises(ValueError, match="no list"):
        listed_models(ENDPOINTS[provider], body)


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "openrouter", "ollama"])
def test_rows_of_odd_shapes_are_left_out_or_say_nothing(provider: str) -> None:
    odd: list[Any] = [None, 7, "x", [], {}, {"id": 7, "name": 7}, {"id": "", "name": ""}, {"id": "a b", "name": "a b"},
                      {"id": "x" * 500, "name": "x" * 500}, {"id": "nul\0", "name": "nul\0"}]  # fmt: skip
    assert listed(provider, *odd) == ()
    fields = "display_name max_input_tokens capabilities pricing meta architecture top_provider displayName"
    strange = {name: ["strange"] for name in f"{fields} context_length".split()}
    (model,) = listed(provider, {**strange, "id": "x", "name": "x"})
    assert model == ListedModel("x")


def test_no_list_is_longer_than_the_limit() -> None:
    assert len(names("openrouter", *(f"m{number}" for number in range(MAX_MODELS + 50)))) == MAX_MODELS


def test_each_format_is_asked_at_its_own_path() -> None:
    paths = [list_path(ENDPOINTS[name]).partition("?")[0] for name in ("anthropic", "openai", "gemini", "ollama")]
    assert paths == ["/v1/models", "/models", "/v1beta/models", "/models"]


# The table


def test_the_table_knows_windows_prices_and_efforts_of_current_models() -> None:
    info = known_model("anthropic", "claude-sonnet-5-5")
    assert info is not None
    assert (info.window_tokens, info.output_tokens, info.images) == (1_000_000, 128_000, True)
    assert info.price == Price(2.0, 10.0, 0.1, 2.5)
    assert info.efforts[0] == "low"
    assert "off" not in info.efforts


def test_a_long_request_has_its_own_price_where_that_is_so() -> None:
    info = known_model("openai", "gpt-5.5")
    assert info is not None
    assert info.price is not None
    assert (info.price.input_usd, info.price.above_tokens) == (5.0, 272_000)
    assert info.price.above == Price(10.0, 45.0, 1.0)


def test_a_dated_id_is_known_by_the_one_without_and_what_is_not_known_is_not_guessed() -> None:
    dated, plain = known_model("openai", "gpt-5-2025-08-07"), known_model("openai", "gpt-5")
    assert dated is not None
    assert plain is not None
    assert (dated.id, dated.price, dated.window_tokens) == ("gpt-5-2025-08-07", plain.price, plain.window_tokens)
    assert known_model("openai", "gpt-5-mega") is None
    assert known_model("nobody", "gpt-5") is None
    assert providers_of("gpt-5") == ("openai",)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "gemini", "mistral", "deepseek", "xai", "groq"])
def test_every_row_of_the_table_makes_sense(provider: str) -> None:
    models = known_models(provider)
    assert models
    for info in models:
        assert info.window_tokens is None or 8_000 <= info.window_tokens <= 20_000_000
        assert info.output_tokens is None or info.output_tokens < (info.window_tokens or 2**31)
        if info.price is not None:
            assert 0 <= info.price.input_usd <= info.price.output_usd < 1000
            assert (info.price.cached_read_usd or 0) <= info.price.input_usd
