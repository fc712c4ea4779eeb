from __future__ import annotations

import asyncio

import pytest

from agent_server.processes.batches import BATCH_INTERVAL_S, BATCH_LIMIT_BYTES, FLOOD_LIMIT_BYTES, FREE_BYTES, Batches
from agent_server.processes.bounded import HeadAndTail


def kept(data: bytes, *, step: int = 1, head: int = 4, tail: int = 4) -> bytes:
    kept = HeadAndTail(head_bytes=head, tail_bytes=tail)
    for start in range(0, len(data), step):
        kept.add(data[start : start + step])
    return kept.take()


@pytest.mark.parametrize("step", [1, 3, 100])
def test_an_output_that_fits_is_kept_whole(step: int) -> None:
    assert kept(b"12345678", step=step) == b"12345678"


@pytest.mark.parametrize("step", [1, 2, 7, 100])
def test_of_a_longer_output_the_middle_is_cut_and_counted(step: int) -> None:
    assert kept(b"head" + b"-" * 90 + b"tail", step=step) == b"head\n[... 90 bytes cut ...]\ntail"


def test_a_cut_does_not_split_a_character() -> None:
    text = "aé€😀" * 50
    for head in range(4, 12):
        for tail in range(4, 12):
            shown = kept(text.encode(), head=head, tail=tail).decode()  # raises on half a character
            count = int(shown.partition("[... ")[2].partition(" bytes")[0])
            rest = shown.replace(f"\n[... {count} bytes cut ...]\n", "").replace(f"[... {count} bytes cut ...]\n", "")
            assert len(rest.encode()) + count == len(text.encode())


def test_binary_output_is_cut_where_the_limit_is() -> None:
    assert kept(b"\xff" * 4 + b"\x80" * 20, head=4, tail=4).startswith(b"\xff" * 3)
    assert kept(b"\xc3" * 30) == b"\xc3\xc3\xc3\n[... 23 bytes cut ...]\n\xc3\xc3\xc3\xc3"


def test_memory_stays_at_a_few_times_the_limit() -> None:
    bounded = HeadAndTail(head_bytes=100, tail_bytes=100)
    for _ in range(1000):
        bounded.add(b"x" * 150)
        assert len(bounded._head) + len(bounded._tail) <= 100 + 200


@pytest.mark.req("TN-17")
def test_the_first_bytes_go_out_at_once_and_later_ones_in_intervals() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        writes: list[tuple[float, bytes]] = []
        second = asyncio.Event()

        def write(data: bytes) -> None:
            writes.append((loop.time(), data))
            if len(writes) == 2:
                second.set()

        batches = Batches(write)
        batches.add(b"a")
        assert [data for _, data in writes] == [b"a"]
        batches.add(b"b")
        batches.add(b"c")
        assert len(writes) == 1
        await asyncio.wait_for(second.wait(), 5)
        assert writes[1][1] == b"bc"
        assert writes[1][0] - writes[0][0] >= BATCH_INTERVAL_S - 0.01
        batches.add(b"d")
        batches.flush()
        assert writes[2][1] == b"d"

    asyncio.run(main())


def test_no_timer_is_armed_while_nothing_waits() -> None:
    async def main() -> None:
        writes: list[bytes] = []
        batches = Batches(writes.append)
        assert batches._timer is None
        batches.add(b"a")
        assert batches._timer is None
        batches.add(b"b")
        assert batches._timer is not None
        batches.flush()
        batches.flush()
        assert batches._timer is None
        assert writes == [b"a", b"b"]

    asyncio.run(main())


def test_a_batch_is_limited_and_says_so_and_a_flood_is_limited_more() -> None:
    async def main() -> None:
        writes: list[bytes] = []
        batches = Batches(writes.append)
        while sum(map(len, writes)) < FREE_BYTES:
            batches.add(b"x" * (BATCH_LIMIT_BYTES + 5))
            batches.flush()
            assert writes[-1].startswith(b"[... 5 bytes cut ...]\nx")
        batches.add(b"z" * BATCH_LIMIT_BYTES)
        batches.flush()
        assert writes[-1].count(b"z") == FLOOD_LIMIT_BYTES

    asyncio.run(main())
