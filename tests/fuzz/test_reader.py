"""The fuzzed function holds for the hostile corpus and for random bytes: a sample of what the fuzzer does for hours."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.faults.documents import DOCUMENTS, as_params
from conformance.faults.frames import FRAMES, HostileFrame
from conformance.faults.fuzz import damaged

from .reader import read

SHORT_FRAMES = [frame for frame in FRAMES if len(frame.line) < 200_000]


@pytest.mark.promise("P7")
@pytest.mark.parametrize("frame", SHORT_FRAMES, ids=lambda frame: frame.name)
def test_a_hostile_frame_is_one_message_at_most(frame: HostileFrame) -> None:
    line = frame.line
    assert len(read(line + b"\n")) <= 1
    assert len(read(b"\n" + line)) <= 1


@pytest.mark.promise("P7")
def test_every_document_is_one_message_however_it_is_cut() -> None:
    for document in DOCUMENTS:
        whole = as_params(document, 1)
        assert len(read(whole)) == 1
        assert len(read(whole[: len(whole) // 2])) == 1


@pytest.mark.promise("P7")
def test_damaged_lines_hold() -> None:
    for line in itertools.islice(damaged(2), 2_000):
        assert len(read(line)) <= 1


@given(st.lists(st.binary(max_size=60) | st.sampled_from([frame.line[:200] for frame in FRAMES])).map(b"\n".join))
def test_any_bytes_hold(data: bytes) -> None:
    read(data)
