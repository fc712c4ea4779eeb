"""The only place that imports httpx, in a thread: it and the TLS context take longer than the event loop may stand."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

_USED_BY_IT: Final = ("anyio._backends._asyncio", "encodings.idna", "h11", "httpcore._backends.auto", "orjson")
"""What a first request would load on the event loop."""

_COMMAND_LINE: Final = "httpx._main"
"""httpx's own command line: nobody needs it, and it loads as much again as the rest."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What every client of the process shares."""

    http: ModuleType
    tls: ssl.SSLContext


_lock = threading.Lock()
_loaded: Future[Loaded] | None = None


def begin(modules: Sequence[str] = ()) -> Future[Loaded]:
    """Begin to load, unless that was done before. ``modules`` are loaded behind, if it is the first time."""
    global _loaded
    with _lock:
        if _loaded is None or (_loaded.done() and _loaded.exception() is not None):
            _loaded = Future()
            _loaded.set_running_or_notify_cancel()  # so that nobody who waits can cancel it for the others
            threading.Thread(target=_load, args=(_loaded, modules), name="load-http", daemon=True).start()
        return _loaded


async def loaded() -> Loaded:
    """What is loaded, when it is."""
    future = begin()
    return future.result() if future.done() else await asyncio.wrap_future(future)


def _load(result: Future[Loaded], modules: Sequence[str]) -> None:
    try:
        http = _import_http()
        loaded = Loaded(http, http.create_ssl_context())
        for module in _USED_BY_IT:
            importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - whoever waits hears of it
        result.set_exception(error)
    else:
        result.set_result(loaded)
    with contextlib.suppress(ImportError):  # whoever uses it hears of it
        for module in modules:
            importlib.import_module(module)


def _import_http() -> ModuleType:
    left_out = _COMMAND_LINE not in sys.modules
    if left_out:
        sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]  # to import, it is not installed
    try:
        import httpx as http
    finally:
        if left_out:
            sys.modules.pop(_COMMAND_LINE, None)
    return http
