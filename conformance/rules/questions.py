"""Questions for permission, and the pages that the user is sent to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, urlsplit

from conformance.registry import KEPT, Seen, rule
from conformance.transcript import Entry, Transcript
from conformance.turns import rows_of, turns

SECRETS = frozenset({"access_token", "refresh_token", "id_token", "password", "client_secret", "api_key", "apikey"})


@rule("permission.option-ids")
def option_ids(transcript: Transcript) -> Iterator[Seen]:
    for entry in _permissions(transcript):
        ids = [repr(option.get("optionId")) for option in rows_of(entry.params.get("options"))]
        yield KEPT if len(ids) == len(set(ids)) else Seen("two options have the same id", entry)


@rule("permission.both-ways")
def both_ways(transcript: Transcript) -> Iterator[Seen]:
    for entry in _permissions(transcript):
        kinds = [str(option.get("kind")) for option in rows_of(entry.params.get("options"))]
        missing = [way for way in ("allow", "reject") if not any(kind.startswith(f"{way}_") for kind in kinds)]
        yield Seen(f"no option to {' or to '.join(missing)}", entry) if missing else KEPT


@rule("permission.announced")
def described(transcript: Transcript) -> Iterator[Seen]:
    told: set[tuple[object, object]] = set()
    for entry in transcript.sent_by("agent"):
        if entry.update_kind == "tool_call":
            told.add((entry.session_id, entry.update.get("toolCallId")))
        elif entry.is_request and entry.method == "session/request_permission":
            call = entry.params.get("toolCall")
            call = call if isinstance(call, dict) else {}
            known = bool(call.get("title")) or (entry.session_id, call.get("toolCallId")) in told
            yield KEPT if known else Seen("its tool call has no title, and no tool_call came before", entry)


@rule("page.no-credentials")
def no_credentials(transcript: Transcript) -> Iterator[Seen]:
    for entry in _pages(transcript):
        url = _url(entry)
        named = {name.lower() for part in (url.query, url.fragment) for name, _ in parse_qsl(part)}
        secret = "@" in url.netloc or bool(named & SECRETS)
        yield Seen("the address carries credentials", entry) if secret else KEPT


@rule("page.https")
def https(transcript: Transcript) -> Iterator[Seen]:
    for entry in _pages(transcript):
        url = _url(entry)
        safe = url.scheme.lower() == "https" or _is_this_machine(url.hostname or "")
        yield KEPT if safe else Seen(f"the address is {url.scheme or 'without a scheme'}", entry)


@rule("page.unique-ids")
def unique_ids(transcript: Transcript) -> Iterator[Seen]:
    """A page is open while its question is not answered; and, accepted, until it is complete or its turn is over."""
    entries = transcript.entries
    numbers = {entry: number for number, entry in enumerate(entries)}
    spans = [(turn.session_id, turn.begin, turn.end) for turn in turns(transcript)]
    opened: list[tuple[Entry, int]] = []
    for number, entry in enumerate(entries):
        if not _opens_a_page(entry):
            continue
        page_id = entry.params.get("elicitationId")
        ends = [end for session_id, begin, end in spans if session_id == entry.session_id and begin < number]
        over = min((end for end in ends if end is not None and end > number), default=number)
        clash = any(other.params.get("elicitationId") == page_id and until > number for other, until in opened)
        yield Seen("another page that is open has this id", entry) if clash else KEPT
        opened.append((entry, _open_until(entry, over, entries, numbers)))


@rule("page.complete")
def complete(transcript: Transcript) -> Iterator[Seen]:
    opened: set[object] = set()
    for entry in transcript.sent_by("agent"):
        if _opens_a_page(entry):
            opened.add(repr(entry.params.get("elicitationId")))
        elif entry.method == "elicitation/complete":
            known = repr(entry.params.get("elicitationId")) in opened
            yield KEPT if known else Seen("no page with this id was opened", entry)


def _open_until(page: Entry, over: int, entries: list[Entry], numbers: dict[Entry, int]) -> int:
    """The number of the entry that ends a page. ``over``: the entry that ends its turn."""
    if page.answer is None:
        return len(entries)
    answered = numbers[page.answer]
    if page.answer.result.get("action") != "accept":
        return answered
    page_id = page.params.get("elicitationId")
    for number in range(answered, over):
        entry = entries[number]
        if entry.method == "elicitation/complete" and entry.params.get("elicitationId") == page_id:
            return number
    return max(answered, over)


def _permissions(transcript: Transcript) -> Iterator[Entry]:
    return (
        entry
        for entry in transcript.sent_by("agent")
        if entry.is_request and entry.method == "session/request_permission"
    )


def _pages(transcript: Transcript) -> Iterator[Entry]:
    return (entry for entry in transcript.sent_by("agent") if _opens_a_page(entry))


def _opens_a_page(entry: Entry) -> bool:
    asks = entry.sender == "agent" and entry.is_request and entry.method == "elicitation/create"
    return asks and entry.params.get("mode") == "url"


def _url(page: Entry) -> SplitResult:
    try:
        return urlsplit(str(page.params.get("url")))
    except ValueError:
        return urlsplit("")


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
