"""Two ends in one process, and the observer between a transport and its receiver."""

from __future__ import annotations

import asyncio

import pytest

from agent_server.transport.memory import HIGH_WATER_BYTES, memory_pair
from agent_server.transport.tap import Direction, TapTransport

from .listening import WAIT_S, Listener, turns


@pytest.mark.spec("N-18")
def test_what_one_turn_sent_arrives_in_one_delivery_of_the_next() -> None:
    async def work() -> None:
        near, far = memory_pair()
        listener = Listener()
        far.start(listener)
        near.send(b"one")
        near.send_all([b"two", b"three"])
        assert listener.heard == []
        await turns()
        assert listener.deliveries == [3]
        assert listener.frames == [b"one", b"two", b"three"]

    asyncio.run(work())


def test_frames_sent_before_the_far_end_starts_are_kept() -> None:
    async def work() -> None:
        near, far = memory_pair()
        near.send(b"early")
        near.close()
        listener = Listener()
        far.start(listener)
        await listener.until_end()
        assert listener.frames == [b"early"]

    asyncio.run(work())


@pytest.mark.promise("P6")
def test_a_far_end_that_pauses_congests_us_and_loses_nothing() -> None:
    async def work() -> None:
        near, far = memory_pair()
        listener = Listener()
        far.start(listener)
        far.pause_reading()
        frames = [b"%d" % number + b"x" * 1000 for number in range(100)]
        near.send_all(frames)
        await turns()
        assert near.congested
        assert near.unsent_bytes == sum(map(len, frames)) > HIGH_WATER_BYTES
        drained = asyncio.ensure_future(near.drained())
        flushed = asyncio.ensure_future(near.flush())
        await turns()
        assert not drained.done()
        assert not flushed.done()
        far.resume_reading()
        await asyncio.wait_for(asyncio.gather(drained, flushed), WAIT_S)
        assert listener.frames == frames
        assert near.unsent_bytes == 0

    asyncio.run(work())


@pytest.mark.parametrize("closer", ["near", "far"])
def test_close_releases_who_waits_and_is_heard_once_by_the_other_side(closer: str) -> None:
    async def work() -> None:
        near, far = memory_pair()
        near_listener, far_listener = Listener(), Listener()
        near.start(near_listener)
        far.start(far_listener)
        far.pause_reading()
        near.send(b"x" * (HIGH_WATER_BYTES + 1))
        waiting = [asyncio.ensure_future(near.drained()), asyncio.ensure_future(near.flush())]
        await turns()
        (near if closer == "near" else far).close()
        await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)
        far.resume_reading()
        await turns()
        expected = (0, 1) if closer == "near" else (1, 0)
        assert (near_listener.ends, far_listener.ends) == expected
        near.close()
        far.close()
        near.send(b"into the void")
        await turns()
        assert (near_listener.ends, far_listener.ends) == expected

    asyncio.run(work())


def test_a_tap_sees_every_frame_in_the_order_of_the_wire() -> None:
    async def work() -> None:
        near, far = memory_pair()
        seen: list[tuple[Direction, bytes]] = []
        tapped = TapTransport(near, lambda direction, frame: seen.append((direction, frame)))
        tapped_listener, listener = Listener(), Listener()
        tapped.start(tapped_listener)
        far.start(listener)
        tapped.send(b"one")
        tapped.send_all([b"two", b"three"])
        tapped.hurry()
        far.send(b"four")
        await turns()
        assert listener.frames == [b"one", b"two", b"three"]
        assert tapped_listener.frames == [b"four"]
        assert seen == [("sent", b"one"), ("sent", b"two"), ("sent", b"three"), ("received", b"four")]
        assert not tapped.congested
        assert tapped.unsent_bytes == 0
        await asyncio.wait_for(tapped.drained(), WAIT_S)
        await asyncio.wait_for(tapped.flush(), WAIT_S)
        tapped.pause_reading()
        far.send(b"five")
        await turns()
        assert tapped_listener.frames == [b"four"]
        tapped.resume_reading()
        far.close()
        await tapped_listener.until_end()
        assert tapped_listener.frames == [b"four", b"five"]
        tapped.close()

    asyncio.run(work())
