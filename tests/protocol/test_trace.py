from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.protocol.trace import TraceContext

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.spec("N-81")
def test_a_trace_is_read_from_the_root_of_meta_and_written_there() -> None:
    meta = {"traceparent": PARENT, "tracestate": "a=1,b=2", "baggage": "user=1"}
    trace = TraceContext.from_meta(meta)
    assert trace == TraceContext(PARENT, "a=1,b=2", "user=1")
    assert trace.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert trace.to_meta() == meta


def test_what_else_stands_in_meta_is_kept_and_an_older_trace_is_replaced_whole() -> None:
    meta = {"mine": [1], "traceparent": "old", "tracestate": "old", "baggage": "old"}
    assert TraceContext(PARENT).to_meta(meta) == {"mine": [1], "traceparent": PARENT}
    assert meta["traceparent"] == "old"


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "0",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + PARENT[52:],
        PARENT[:-1] + "g",
        PARENT.replace("-", "_"),
        "01" + PARENT[2:] + "-\n",
    ],
)
def test_a_malformed_parent_counts_as_absent_and_its_state_with_it(value: Any) -> None:
    assert TraceContext.from_meta({"traceparent": value, "tracestate": "a=1"}) is None
    assert TraceContext.from_meta({"traceparent": value, "baggage": "k=v"}) == TraceContext(baggage="k=v")


def test_a_later_version_may_say_more() -> None:
    later = "01" + PARENT[2:] + "-what-comes"
    assert TraceContext.from_meta({"traceparent": later}) == TraceContext(later)


@pytest.mark.parametrize("value", [None, 1, [], "", "a\nb", "ä", "x" * 9000])
def test_a_malformed_state_or_baggage_counts_as_absent(value: Any) -> None:
    meta = {"traceparent": PARENT, "tracestate": value, "baggage": value}
    assert TraceContext.from_meta(meta) == TraceContext(PARENT)


def test_baggage_is_not_shown() -> None:
    assert "secret" not in repr(TraceContext(PARENT, baggage="k=secret"))


@pytest.mark.spec("N-80")
@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage", "x"]), st.text() | st.integers()))
def test_whatever_stands_in_meta_reading_it_never_fails(meta: dict[str, Any]) -> None:
    trace = TraceContext.from_meta(meta)
    assert trace is None or TraceContext.from_meta(trace.to_meta()) == trace
    assert TraceContext.from_meta(None) is None
