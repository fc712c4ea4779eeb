"""The only place that imports httpx, in a thread: it and the TLS context take longer than the event loop may stand."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")

_USED_BY_IT: Final = ("anyio._backends._asyncio", "encodings.idna", "h11", "httpcore._backends.auto", "orjson")
"""What a first request would load on the event loop."""

_COMMAND_LINE: Final = "httpx._main"
"""httpx's own command line: nobody needs it, and it loads as much again as the rest."""

_lock = threading.Lock()
_http: Future[ModuleType] | None = None
_tls: Future[ssl.SSLContext] | None = None


def begin(modules: Sequence[str] = (), *, tls: bool = True) -> Future[ModuleType]:
    """Begin to load, unless that was done before. ``modules`` are loaded behind, if it is the first time.

    The context for TLS takes as long as everything else, and plain requests to this machine need none: it is made
    beside, and only if ``tls``.
    """
    global _http, _tls
    with _lock:
        if tls and (_tls is None or _failed(_tls)):
            _tls = _in_thread(_make_tls)
        if _http is None or _failed(_http):
            _http = _in_thread(_import_http, lambda: _import(modules))
        return _http


async def loaded() -> ModuleType:
    """httpx, when it is loaded."""
    return await _waited_for(begin(tls=False))


async def tls_context() -> ssl.SSLContext:
    """What every safe connection of the process needs, when it is made."""
    begin()
    assert _tls is not None
    return await _waited_for(_tls)


def trusting_nobody() -> ssl.SSLContext:
    """For connections that are not to be safe: none that is would come about with it."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _waited_for(future: Future[T]) -> T:
    return future.result() if future.done() else await asyncio.wrap_future(future)


def _failed(future: Future[Any]) -> bool:
    return future.done() and future.exception() is not None


def _in_thread(work: Callable[[], T], behind: Callable[[], None] = lambda: None) -> Future[T]:
    """What the work gives; ``behind`` is done when those who wait for it have been told."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # so that nobody who waits can cancel it for the others

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits hears of it
            future.set_exception(error)
        else:
            future.set_result(result)
            behind()

    threading.Thread(target=run, name=f"load-{work.__name__}", daemon=True).start()
    return future


def _make_tls() -> ssl.SSLContext:
    """As httpx would make it: the certificates of certifi, unless the environment names others.

    Reading them needs no Python, so it takes nothing from what happens meanwhile.
    """
    import ssl

    if place := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=place)
    if place := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=place)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _import(modules: Sequence[str]) -> None:
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
    for module in _USED_BY_IT:
        importlib.import_module(module)
    return http
