"""Questions to the user that are open, and how they are withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar, cast

import anyio

T = TypeVar("T")


class Questions:
    """The open questions of a session, or of a connection."""

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()

    async def ask(self, decide: Callable[[], T | Awaitable[T]], withdrawn: T) -> T:
        """What ``decide`` gives; ``withdrawn`` as soon as `withdraw_all` or the asker withdraws the question."""
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                decision = decide()
                return await cast("Awaitable[T]", decision) if isawaitable(decision) else decision
            except asyncio.CancelledError:
                if scope.cancel_called:
                    raise
                return withdrawn  # the asker withdrew it: an answer is owed all the same
            finally:
                self._scopes.discard(scope)
        return withdrawn

    def withdraw_all(self) -> None:
        """Nobody wants the answers any more."""
        for scope in list(self._scopes):
            scope.cancel()
