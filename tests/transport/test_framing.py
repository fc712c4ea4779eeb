"""Lines out of bytes: the cuts of the stream never matter, and one long line costs one line."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_server.transport import framing
from agent_server.transport.framing import LONG_LINE_BYTES, LineFramer, Oversized

MIB = 1024 * 1024
Lines = list[bytes | bytearray | Oversized]

streams = st.lists(
    st.sampled_from([b"a", b"{}", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"\t", b"0123456789", b"\xff", b"x" * 25]),
    max_size=40,
).map(b"".join)


def read_whole(stream: bytes, limit_bytes: int) -> Lines:
    """What the lines are, said in the plainest way."""
    lines: Lines = []
    for raw in stream.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if len(line) > limit_bytes:
            lines.append(Oversized(line[:limit_bytes]))
        elif line.strip():
            lines.append(line)
    return lines


def fed(stream: bytes, cuts: list[int], limit_bytes: int) -> Lines:
    framer = LineFramer(limit_bytes)
    lines: Lines = []
    start = 0
    for cut in [*sorted(cuts), len(stream)]:
        lines += framer.feed(stream[start:cut]) if cut > start else []
        start = max(start, cut)
    return lines + framer.finish()


def windowed(stream: bytes, sizes: list[int], limit_bytes: int) -> Lines:
    """As `fed`, but whatever follows a long line is read straight into the framer's own buffer."""
    framer = LineFramer(limit_bytes)
    lines: Lines = []
    for size in sizes:
        piece, stream = stream[:size], stream[size:]
        if piece and framer.in_long_line:
            window = framer.window()
            piece, stream = piece[: len(window)], piece[len(window) :] + stream
            window[: len(piece)] = piece
            window.release()
            lines += framer.commit(len(piece))
        elif piece:
            lines += framer.feed(piece)
    return lines + framer.feed(stream) + framer.finish()


@pytest.mark.req("JR-17")
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams, st.lists(st.integers(0, 200), max_size=12), st.sampled_from([1, 3, 10, 11, 1000]))
def test_any_split_of_a_stream_gives_the_same_lines(stream: bytes, cuts: list[int], limit_bytes: int) -> None:
    assert fed(stream, [min(cut, len(stream)) for cut in cuts], limit_bytes) == read_whole(stream, limit_bytes)


@pytest.mark.promise("P7")
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_stream_cut_at_every_byte_gives_the_same_lines(ending: bytes) -> None:
    stream = ending.join([b"first", b"", b"exactly_10", b"eleven_char", b"  ", b"\xe2\x82\xac", b"last"])
    for cut in range(len(stream) + 1):
        assert fed(stream, [cut], 10) == read_whole(stream, 10), cut
    assert fed(stream, list(range(len(stream))), 10) == read_whole(stream, 10)


@pytest.mark.spec("N-14")
@pytest.mark.req("JR-17")
def test_crlf_and_blank_lines_are_no_part_of_a_message() -> None:
    assert LineFramer().feed(b"\n\r\n{}\r\n \t\n\n[]\n") == [b"{}", b"[]"]


def test_a_cr_inside_a_line_stays() -> None:
    assert LineFramer().feed(b"a\rb\r\r\n") == [b"a\rb\r"]


def test_the_last_line_needs_no_ending() -> None:
    framer = LineFramer()
    assert framer.feed(b'{"a":1}\n{"b"') == [b'{"a":1}']
    assert framer.feed(b":2}") == []
    assert framer.finish() == [b'{"b":2}']
    assert framer.finish() == []


@pytest.mark.req("JR-17")
@pytest.mark.promise("P7")
@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 10_000])
def test_a_line_above_the_limit_is_reported_once_with_its_head_and_the_stream_goes_on(piece_bytes: int) -> None:
    stream = b'before\n{"id":1,' + b"x" * 9000 + b"\nafter\n"
    lines = fed(stream, list(range(0, len(stream), piece_bytes)), 5000)
    assert lines == [b"before", Oversized((b'{"id":1,' + b"x" * 9000)[:4096]), b"after"]


def test_a_line_of_exactly_the_limit_is_kept_with_either_ending_however_it_is_cut() -> None:
    for ending in (b"\n", b"\r\n"):
        stream = b"0123456789" + ending + b"x\n"
        for cut in range(len(stream)):
            assert fed(stream, [cut], 10) == [b"0123456789", b"x"], (ending, cut)


def test_an_endless_line_ends_with_the_stream_and_is_reported() -> None:
    framer = LineFramer(100)
    for _ in range(50):
        assert framer.feed(b"y" * 64) == []
    assert framer.finish() == [Oversized(b"y" * 100)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([0, 1, 50, LONG_LINE_BYTES, 200_000, 1_500_000]), min_size=1, max_size=4),
    st.lists(st.sampled_from([1, 3, 70_000, LONG_LINE_BYTES + 1, 300_000, 2 * MIB]), min_size=1, max_size=20),
    st.sampled_from([200_000, 199_999, MIB, 64 * MIB]),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_reading_into_the_window_gives_the_same_lines(
    lengths: list[int], sizes: list[int], limit_bytes: int, ending: bytes
) -> None:
    stream = b"".join(bytes([97 + index]) * length + ending for index, length in enumerate(lengths))
    expected = [
        Oversized(line.head[: framing._HEAD_BYTES]) if isinstance(line, Oversized) else line
        for line in read_whole(stream, limit_bytes)
    ]
    assert windowed(stream, sizes, limit_bytes) == expected


def test_several_messages_behind_a_long_line_in_one_window_are_all_delivered() -> None:
    framer = LineFramer()
    assert framer.feed(b"l" * (LONG_LINE_BYTES + 1)) == []
    assert framer.in_long_line
    rest = b"l\nsecond\r\n\nthird\nfou"
    window = framer.window()
    window[: len(rest)] = rest
    window.release()
    assert framer.commit(len(rest)) == [b"l" * (LONG_LINE_BYTES + 2), b"second", b"third"]
    assert framer.feed(b"rth\n") == [b"fourth"]


@pytest.mark.req("JR-17")
@pytest.mark.promise("P7")
def test_a_line_of_50_mib_costs_less_than_two_and_a_half_times_its_size() -> None:
    size = 50 * MIB
    framer = LineFramer()
    chunk = b"z" * 65536
    tracemalloc.start()
    try:
        framer.feed(b"z" * (LONG_LINE_BYTES + 1))
        filled = LONG_LINE_BYTES + 1
        while filled < size:
            window = framer.window()
            window[: len(chunk)] = chunk
            window.release()
            assert framer.commit(len(chunk)) == []
            filled += len(chunk)
        (line,) = framer.feed(b"\n")
        peak_bytes = tracemalloc.get_traced_memory()[1]
        assert isinstance(line, bytes)
        assert len(line) == filled
        del line
        kept_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2.5 * size
    assert kept_bytes < MIB


@pytest.mark.promise("P7")
def test_a_line_without_an_end_costs_no_more_than_the_limit() -> None:
    limit_bytes, chunk = 4 * MIB, b"e" * 65536
    framer = LineFramer(limit_bytes)
    tracemalloc.start()
    try:
        for _ in range(1024):  # 64 MiB
            assert framer.feed(chunk) == []
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2.5 * limit_bytes
    assert framer.feed(b"\n{}\n") == [Oversized(b"e" * 4096), b"{}"]
