"""How full a model's context is guessed to be."""

from __future__ import annotations

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.messages import AssistantMessage, ModelMessage, UserMessage
from agent_server.providers.provider import ModelRequest, Usage
from agent_server.sessions.context_gauge import TOKENS_PER_MESSAGE, ContextGauge


def said(text: str) -> UserMessage:
    return UserMessage((TextPart(text),))


def asked(*messages: ModelMessage, model: str = "m") -> ModelRequest:
    return ModelRequest(model, list(messages))


@pytest.mark.req("MO-12")
def test_thoughts_count_only_where_they_go_back_to_the_model() -> None:
    for thoughts_return, tokens in ((False, 1010), (True, 1100)):
        gauge = ContextGauge()
        gauge.estimate(asked(said("one")))
        gauge.measured(Usage(1000, 100, thought_tokens=90), thoughts_return=thoughts_return)
        answered = asked(said("one"), AssistantMessage("x" * 40), said("four"))
        assert gauge.estimate(answered) == tokens + 1 + TOKENS_PER_MESSAGE


def test_what_is_said_after_an_answer_without_a_word_is_counted() -> None:
    gauge = ContextGauge()
    gauge.estimate(asked(said("one")))
    gauge.measured(Usage(1000, 0), thoughts_return=False)
    assert gauge.estimate(asked(said("one"), said("x" * 400))) == 1000 + 100 + TOKENS_PER_MESSAGE


def test_another_model_or_a_shorter_conversation_is_counted_from_the_beginning() -> None:
    gauge = ContextGauge()
    gauge.estimate(asked(said("one"), AssistantMessage("two"), said("three")))
    gauge.measured(Usage(5000, 100), thoughts_return=False)
    assert gauge.estimate(asked(said("one"), said("four"), model="m")) < 100
    gauge.measured(Usage(5000, 100), thoughts_return=False)
    assert gauge.estimate(asked(said("one"), said("four"), said("five"), model="n")) < 100
