"""Who is there: servers of models on this machine, and what each server lists.

Nothing is loaded before somebody looks.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from agent_server.errors import ProviderError
from agent_server.providers.local_ports import LOCAL_PORTS, may_listen

if TYPE_CHECKING:
    from agent_server.config.settings import Settings
    from agent_server.providers.listing import ListedModel
    from agent_server.providers.offers import Offers
    from agent_server.providers.provider import ModelInfo, Provider
    from agent_server.providers.wire import Endpoint

LIST_S: Final = 10
"""How long a server may take to list its models."""

NO_LIST: Final = "The server does not list its models."

_log = logging.getLogger(__name__)


class Outside(Protocol):
    """What is needed of the network."""

    def backend(
        self, endpoint: Endpoint, key: Callable[[], str | None], infos: Callable[[str], ModelInfo | None]
    ) -> Provider:
        """Whoever asks this endpoint for responses. ``infos``: what is known of a model, by its whole id."""

    async def ask(
        self, endpoint: Endpoint, url: str, key: str | None, *, body: dict[str, Any] | None, timeout_s: float
    ) -> Any:
        """The JSON that a URL of the endpoint gives, or gives for a body that is posted.

        Raises:
            ProviderError: there was none in time.
        """

    async def aclose(self) -> None:
        """Close what is open."""


class Surroundings:
    """What was found out of servers so far.

    Attributes:
        found: the servers of this machine that said who they are, with their models.
        listed: what other servers list, by provider.
        unlisted: why others do not.
    """

    def __init__(self, settings: Settings, outside: Outside | None = None) -> None:
        self.found: dict[str, tuple[ListedModel, ...]] = {}
        self.listed: dict[str, tuple[ListedModel, ...]] = {}
        self.unlisted: dict[str, ProviderError] = {}
        self._settings = settings
        self._outside = outside

    @property
    def network(self) -> Outside:
        """The real one, unless another was given; loaded when it is needed."""
        if self._outside is None:
            from agent_server.providers.outside import Network

            self._outside = Network(self._settings)
        return self._outside

    async def aclose(self) -> None:
        """Close what is open."""
        if self._outside is not None:
            await self._outside.aclose()

    def somebody_may_listen(self, environment: Mapping[str, str] = os.environ) -> bool:
        """Whether it is worth looking for servers of this machine; known at once."""
        if not self._settings.local_models:
            return False
        return bool(environment.get("OLLAMA_HOST")) or any(map(may_listen, LOCAL_PORTS.values()))

    async def find_local(self, offers: Offers) -> None:
        """Find out who is there on this machine: whoever may be, or only whom the user named."""
        from agent_server.providers.known import is_here
        from agent_server.providers.local_servers import PROBE_S, identified

        named = set(self._settings.providers)
        if offers.explicit is not None:
            named.add(offers.explicit.provider)
        anybody = self._settings.local_models

        def wanted(endpoint: Endpoint) -> bool:
            return endpoint.name in named or (anybody and is_here(endpoint.base_url))

        def ask_of(endpoint: Endpoint) -> Callable[[str, dict[str, Any] | None], Coroutine[Any, Any, Any]]:
            limit_s = PROBE_S if endpoint.local else LIST_S
            return lambda url, body: self.network.ask(endpoint, url, None, body=body, timeout_s=limit_s)

        local = [(endpoint, ask_of(endpoint)) for endpoint in offers.local() if wanted(endpoint)]
        servers = await identified(local)
        self.found.clear()
        self.found.update(
            (server.endpoint.name, _without_secrets(server.models, server.endpoint, None)) for server in servers
        )

    async def list_all(self, offers: Offers, key: Callable[[str], str | None]) -> None:
        """Ask the servers which models they have; those that do not answer are offered as the table has them."""
        await asyncio.gather(*(self._list(endpoint, key(endpoint.name)) for endpoint in offers.to_list()))

    async def _list(self, endpoint: Endpoint, key: str | None) -> None:
        from agent_server.providers.listing import list_path, listed_models

        url = endpoint.base_url + list_path(endpoint)
        try:
            body = await self.network.ask(endpoint, url, key, body=None, timeout_s=LIST_S)
            listed = listed_models(endpoint, body)
        except (ProviderError, ValueError) as error:  # what the table says is offered, then
            unlisted = error if isinstance(error, ProviderError) else ProviderError("raw", NO_LIST)
            _log.info("the models of %s are not listed: %s", endpoint.name, unlisted.details)
            self.unlisted[endpoint.name] = unlisted
            return
        self.unlisted.pop(endpoint.name, None)
        if listed:
            self.listed[endpoint.name] = _without_secrets(listed, endpoint, key)


def _without_secrets(models: tuple[ListedModel, ...], endpoint: Endpoint, key: str | None) -> tuple[ListedModel, ...]:
    """Those whose ids and names do not say back what the server was sent."""
    from agent_server.providers.server_text import says_secret
    from agent_server.providers.wire import secrets_of

    secrets = secrets_of(endpoint, key)
    return tuple(model for model in models if not says_secret(f"{model.id}\n{model.name}", secrets))
