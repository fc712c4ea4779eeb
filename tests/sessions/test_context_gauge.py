"""How full a model's context is guessed to be."""

from __future__ import annotations

import pytest

from agent_server.conversation.content import TextPart
from agent_server.conversation.events import UsageReported
from agent_server.conversation.messages import AssistantMessage, ModelMessage, UserMessage
from agent_server.providers.provider import ModelRequest
from agent_server.sessions.context_gauge import TOKENS_PER_MESSAGE, ContextGauge


def said(text: str) -> UserMessage:
    return UserMessage((TextPart(text),))


def asked(*messages: ModelMessage, model: str = "m") -> ModelRequest:
    return ModelRequest(model, list(messages))


@pytest.mark.req("MO-12")
def test_an_answer_counts_as_the_server_counted_it_but_for_its_thoughts() -> None:
    report = UsageReported(1000, 100, cached_read_tokens=500, thought_tokens=90)
    assert report.kept_tokens == 1010
    gauge = ContextGauge()
    gauge.estimate(asked(said("one")))
    gauge.measured(report.kept_tokens)
    answered = asked(said("one"), AssistantMessage("x" * 40), said("four"))
    assert gauge.estimate(answered) == 1010 + 1 + TOKENS_PER_MESSAGE


def test_what_is_said_after_an_answer_without_a_word_is_counted() -> None:
    gauge = ContextGauge()
    gauge.estimate(asked(said("one")))
    gauge.measured(1000)
    assert gauge.estimate(asked(said("one"), said("x" * 400))) == 1000 + 100 + TOKENS_PER_MESSAGE


def test_another_model_or_a_shorter_conversation_is_counted_from_the_beginning() -> None:
    gauge = ContextGauge()
    gauge.estimate(asked(said("one"), AssistantMessage("two"), said("three")))
    gauge.measured(5100)
    assert gauge.estimate(asked(said("one"), said("four"), model="m")) < 100
    gauge.measured(5100)
    assert gauge.estimate(asked(said("one"), said("four"), said("five"), model="n")) < 100
