"""What every catalogue must do; each implementation is listed in `CATALOGUES`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.store.catalogue import Archived, Catalogue, MemoryCatalogue, SessionEntry

CATALOGUES: list[Callable[[], Catalogue]] = [MemoryCatalogue]
every_catalogue = pytest.mark.parametrize("make", CATALOGUES, ids=lambda make: make.__name__)


def entry(name: str, minute: int = 0, *, cwd: str = "/w", archived: bool = False) -> SessionEntry:
    time = f"2026-11-20T10:{minute:02}:00.000Z"
    return SessionEntry(name, cwd, (cwd,), time, time, archived=archived)


def ids(entries: list[SessionEntry]) -> list[str]:
    return [one.session_id for one in entries]


def all_pages(catalogue: Catalogue, limit: int) -> list[list[str]]:
    pages, after = [], None
    while True:
        page, after = catalogue.page(after=after, limit=limit)
        pages.append(ids(page))
        if after is None:
            return pages


@every_catalogue
def test_an_entry_is_kept_replaced_and_removed(make: Callable[[], Catalogue]) -> None:
    catalogue = make()
    assert catalogue.get("a") is None
    catalogue.put(entry("a"))
    catalogue.put(entry("a", 5))
    assert catalogue.get("a") == entry("a", 5)
    assert catalogue.page() == ([entry("a", 5)], None)
    for _ in range(2):
        catalogue.remove("a")
    assert catalogue.get("a") is None
    assert catalogue.page() == ([], None)


@every_catalogue
def test_pages_are_newest_first_and_equal_times_are_in_the_order_of_the_ids(make: Callable[[], Catalogue]) -> None:
    catalogue = make()
    for one in (entry("old", 1), entry("new", 3), entry("b", 2), entry("a", 2)):
        catalogue.put(one)
    assert all_pages(catalogue, 10) == [["new", "b", "a", "old"]]
    assert all_pages(catalogue, 3) == [["new", "b", "a"], ["old"]]
    assert all_pages(catalogue, 2) == [["new", "b"], ["a", "old"]]


@every_catalogue
def test_a_position_holds_while_sessions_come_go_and_change(make: Callable[[], Catalogue]) -> None:
    catalogue = make()
    for minute in range(6):
        catalogue.put(entry(f"s{minute}", minute))
    first, position = catalogue.page(limit=2)
    assert ids(first) == ["s5", "s4"]
    catalogue.remove("s4")  # the very one that the position names
    catalogue.put(entry("new", 9))
    catalogue.put(entry("s2", 10))
    rest, end = catalogue.page(after=position, limit=10)
    assert (ids(rest), end) == (["s3", "s1", "s0"], None)


@every_catalogue
@pytest.mark.parametrize(("archived", "expected"), [("exclude", ["b"]), ("only", ["a"]), ("include", ["b", "a"])])
def test_archived_sessions_are_left_out_unless_wanted(
    make: Callable[[], Catalogue], archived: Archived, expected: list[str]
) -> None:
    catalogue = make()
    catalogue.put(entry("a", archived=True))
    catalogue.put(entry("b"))
    assert ids(catalogue.page(archived=archived)[0]) == expected


@every_catalogue
def test_a_directory_means_exactly_that_directory(make: Callable[[], Catalogue]) -> None:
    catalogue = make()
    for name, cwd in (("a", "/w"), ("b", "/w/x"), ("c", "/W")):
        catalogue.put(entry(name, cwd=cwd))
    assert ids(catalogue.page(cwd="/w")[0]) == ["a"]
    assert catalogue.page(cwd="/nowhere") == ([], None)


@every_catalogue
@pytest.mark.parametrize(
    "position", ["", " ", "x", "2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00.000Z ", "2026-99-20T10:00:00.000Z a"]
)
def test_what_is_no_position_is_refused(make: Callable[[], Catalogue], position: str) -> None:
    catalogue = make()
    with pytest.raises(ValueError):
        catalogue.page(after=position)


@every_catalogue
def test_a_page_without_room_is_refused(make: Callable[[], Catalogue]) -> None:
    with pytest.raises(ValueError):
        make().page(limit=0)


@every_catalogue
@given(minutes=st.lists(st.integers(0, 5), max_size=30), limit=st.integers(1, 7))
def test_pages_of_any_size_show_everything_once_in_order(
    make: Callable[[], Catalogue], minutes: list[int], limit: int
) -> None:
    catalogue = make()
    for number, minute in enumerate(minutes):
        catalogue.put(entry(f"s{number:02}", minute))
    pages = all_pages(catalogue, limit)
    expected = sorted(((minute, f"s{number:02}") for number, minute in enumerate(minutes)), reverse=True)
    assert [name for page in pages for name in page] == [name for _, name in expected]
    assert all(len(page) == limit for page in pages[:-1])
