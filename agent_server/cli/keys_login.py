"""Logins over the wire where the chosen model has no key: in a terminal, or by saying that the key is there now.

Req: CR-01, CR-02, CR-04. Spec: authentication.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from agent_server.agent.login import LoginMethod, TerminalLogin
from agent_server.config.credentials import CredentialsError
from agent_server.errors import RpcError

if TYPE_CHECKING:
    from agent_server.providers.catalog import Catalog

RECHECK: Final = "recheck"
TERMINAL: Final = "terminal"
_INTERNAL_ERROR: Final = -32603


class KeysLogin:
    """Gives the chosen model its key. Implements `Login`.

    It gates nothing: sessions are told by the error of a prompt that the key is missing. ``methods`` are there only
    while it is, so nobody is sent to a login that nothing needs.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @property
    def logged_in(self) -> bool:
        """Whether the chosen model has its key."""
        return not self._catalog.missing_key(self._catalog.default_model)

    @property
    def methods(self) -> Sequence[LoginMethod]:
        """The ways to give the key; none while there is one."""
        model = self._catalog.default_model
        if not self._catalog.missing_key(model):
            return ()
        provider = model.partition(":")[0]
        title, variables = self._catalog.named(provider)
        return (
            LoginMethod(
                TERMINAL,
                f"Enter the key for {title}",
                "Asks for it in a terminal, and keeps it where only you can read it.",
                TerminalLogin(partial(_in_this_terminal, provider), ("--login", provider)),
            ),
            LoginMethod(
                RECHECK,
                "The key is there now",
                f"Looks again: in {' or '.join(variables)}, and for what `agent-server login {provider}` has kept.",
            ),
        )

    async def authenticate(self, method_id: str) -> None:
        """Look for the key again.

        Raises:
            RpcError: it is not there.
        """
        await self._catalog.refresh()
        model = self._catalog.default_model
        if self._catalog.missing_key(model):
            title, variables = self._catalog.named(model.partition(":")[0])
            details = f"there is no key for {title}: neither in {' or '.join(variables)} nor in the file of keys"
            raise RpcError(_INTERNAL_ERROR, "Internal error", {"details": details})

    async def logout(self) -> None:
        """Forget the keys of the file; those in the environment are not ours.

        Raises:
            RpcError: the file cannot be changed.
        """
        try:
            await asyncio.to_thread(self._catalog.credentials.forget)
        except CredentialsError as error:
            raise RpcError(_INTERNAL_ERROR, "Internal error", {"details": str(error)}) from error
        await self._catalog.refresh()


async def _in_this_terminal(provider: str) -> bool:
    from agent_server.cli.login_command import log_in

    return await log_in(provider)
