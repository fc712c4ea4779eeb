"""All models that can be asked, as one provider: what is configured, what runs on this machine, and the offline one.

Which model begins, if nobody chose: what the user's settings name, then whoever has a key in the environment, then in
the file of keys, then a server on this machine that said who it is and whose model takes tools, then ``offline``.

Nothing is loaded before there is something besides ``offline``: most of what follows is imported where it is used.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from agent_server.config.credentials import Credentials
from agent_server.config.keys import any_key
from agent_server.errors import ProviderError
from agent_server.providers.offline import OfflineProvider
from agent_server.providers.provider import Command, KeyState, ModelInfo, ModelRequest, Provider, ProviderEvents
from agent_server.providers.surroundings import LIST_S, Outside, Surroundings

if TYPE_CHECKING:
    from agent_server.config.settings import Settings
    from agent_server.providers.offers import Offers
    from agent_server.providers.wire import Endpoint

READY_S: Final = 0.5
"""How long a prompt waits for servers of this machine to say who they are, if there is nobody else."""

LISTED_AFTER_S: Final = 1.0
"""When servers are asked what they have: not while the first prompt is on its way."""

OFFLINE: Final = "offline"

_log = logging.getLogger(__name__)


class Catalog:
    """Everything that can be asked. Implements `Provider`.

    Args:
        settings: what the user chose.
        environment: where keys and addresses are looked up; by default the process's own.
        outside: the network; by default the real one, loaded when it is needed.

    Raises:
        UnknownModel: the settings name a model that there cannot be.
    """

    id = "catalog"
    source = "builtin"
    self_tests = False

    def __init__(
        self, settings: Settings, environment: Mapping[str, str] | None = None, outside: Outside | None = None
    ) -> None:
        self._settings = settings
        self._environment = os.environ if environment is None else environment
        self.credentials = Credentials(self._environment, keyring=settings.keyring)
        self._around = Surroundings(settings, outside)
        self._offline = _Offline(self)
        self._served: dict[str, Provider] = {}
        self._backends: dict[str, tuple[Endpoint, Provider]] = {}
        self._infos: dict[str, ModelInfo] = {}
        self._offers: Offers | None = None
        self._models: Sequence[ModelInfo] = self._offline.models()
        self._watchers: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._begun = False
        self._key_states: tuple[KeyState, ...] | None = None
        named = settings.model not in (None, OFFLINE) or settings.providers or settings.rotation
        if named or any_key(self._environment, dict.fromkeys(self.credentials.stored(), "")):
            self._compose()
        self.system_prompts = bool(named) or settings.keyring or self.configured

    # What is offered

    @property
    def configured(self) -> bool:
        """Whether there is anything besides ``offline``."""
        return self._offers is not None and any(map(self._offers.configured, self._offers.in_order()))

    @property
    def default_model(self) -> str:
        """The model to begin with."""
        return self._models[0].id

    @property
    def session_commands(self) -> bool:
        """Where there is a choice."""
        return len(self._models) > 1

    @property
    def language_model(self) -> bool:
        """For real models."""
        return self.default_model != OFFLINE

    def models(self) -> Sequence[ModelInfo]:
        """Everything that is offered, by provider; the first is the one to begin with."""
        return self._models

    def info(self, model: str) -> ModelInfo | None:
        """What is known of a model of a provider that is known, whether it is in the list or not.

        A session whose model was found on this machine is opened again before that is looked for, say.
        """
        if model == OFFLINE:
            return self._offline.models()[0]
        info = self._infos.get(model)
        if info is not None:
            return info
        provider, _, model_id = model.partition(":")
        if not model_id or self._loaded().endpoint(provider) is None:
            return None
        return self._loaded().info(provider, model_id)

    def offered(self, text: str) -> str | None:
        """The id of the offered model that a text names, as a project's file may; None: it names none."""
        if text in self._infos or text == OFFLINE:
            return text
        if self._offers is None:
            return None
        from agent_server.providers.choice import UnknownModel, chosen

        try:
            choice = chosen(text, self._offers.in_order(), self._offers.in_order())
        except UnknownModel:
            return None
        if choice.model is None:
            return next((info.id for info in self._models if info.provider == choice.provider), None)
        wanted = f"{choice.provider}:{choice.model}"
        return wanted if wanted in self._infos else None

    def rotation(self) -> tuple[tuple[str, str | None], ...]:
        """The models to go round by their ids, each with the level to be set, if one is (Req: MO-03)."""
        if self._offers is None:
            return ()
        entries = [(self._offers.first_of(choice), level) for choice, level in self._offers.rotation()]
        return tuple((model, level) for model, level in entries if model is not None)

    def takes_key(self, model: str) -> bool:
        """Whether a model is of no use without a key."""
        endpoint = self._offers.endpoint(model.partition(":")[0]) if self._offers is not None else None
        return endpoint is not None and endpoint.needs_key

    def missing_key(self, model: str) -> bool:
        """Whether a model cannot be asked because its provider has no key."""
        return self._offers is not None and self._offers.missing_key(model.partition(":")[0])

    def key_states(self) -> Sequence[KeyState]:
        """Each provider that is known, whether it can be asked, and where its key is from; never the key."""
        return self._loaded().key_states()

    def problems(self) -> tuple[str, ...]:
        """What is wrong with keys and addresses, in sentences without any value."""
        offers = self._loaded()
        warnings = (self.credentials.warning, self.credentials.keyring_warning, *offers.problems)
        if offers.explicit is not None and not self.default_model.startswith(f"{offers.explicit.provider}:"):
            warnings = (*warnings, f"{self.named(offers.explicit.provider)[0]} was chosen and has no models just now")
        return tuple(warning for warning in warnings if warning is not None)

    def named(self, provider: str) -> tuple[str, tuple[str, ...]]:
        """What people call a provider, and the variables that may hold its key."""
        endpoint = self._loaded().endpoint(provider)
        return (provider, ()) if endpoint is None else (endpoint.title or provider, endpoint.key_variables)

    def taking_keys(self) -> tuple[str, ...]:
        """The providers that are of no use without a key."""
        return tuple(endpoint.name for endpoint in self._loaded().endpoints() if endpoint.needs_key)

    async def check_key(self, provider: str, key: str) -> None:
        """Ask the provider something that only who has a key may ask.

        Raises:
            ProviderError: it does not take the key, or cannot be asked.
        """
        from agent_server.providers.listing import check_path

        endpoint = self._loaded().endpoint(provider)
        assert endpoint is not None  # it is one of `taking_keys`
        url = endpoint.base_url + check_path(endpoint)
        await self._around.network.ask(endpoint, url, key, body=None, timeout_s=LIST_S)

    async def reached(self) -> dict[str, ProviderError | int]:
        """Each server that can be asked: how many models it lists, or why it does not."""
        await self.refresh(lists=True)
        told: dict[str, ProviderError | int] = {name: len(models) for name, models in self._around.found.items()}
        for endpoint in self._loaded().to_list():
            name = endpoint.name
            told[name] = self._around.unlisted.get(name) or len(self._around.listed.get(name, ()))
        return told

    def commands(self) -> Sequence[Command]:
        """Those of ``offline``, where it begins; each model's own are told by who serves it."""
        return self._offline.commands() if self.default_model == OFFLINE else ()

    # Asking

    @property
    def ready(self) -> bool:
        """False only while servers of this machine are looked for and nothing else is there."""
        return self._offline.ready

    async def wait_ready(self) -> None:
        """Wait until it is known who is there, for a moment at most."""
        if self._look is not None and not self._look.done():
            await asyncio.wait((self._look,), timeout=READY_S)
        self._offline.ready = True

    def provider_of(self, model: str) -> Provider:
        """Who serves a model: one for each server, and ``offline``."""
        served = self._served.get(model)
        if served is None:
            served = self._served[model] = self._backend(model) or self._offline
        return served

    def stream(self, request: ModelRequest) -> ProviderEvents:
        """Have the response streamed by who serves the model."""
        return self.provider_of(request.model).stream(request)

    def _backend(self, model: str) -> Provider | None:
        name, colon, _ = model.partition(":")
        endpoint = self._loaded().endpoint(name) if colon else None
        if endpoint is None:
            return None
        known = self._backends.get(name)
        if known is not None and known[0] == endpoint:
            return known[1]
        backend = self._around.network.backend(endpoint, lambda: self._key(name), self.info)
        self._backends[name] = (endpoint, backend)
        return backend

    def _key(self, provider: str) -> str | None:
        """The key to be sent now. One that is missing may have been kept meanwhile: by a login in a terminal."""
        offers = self._loaded()
        if offers.missing_key(provider):
            self.credentials.refresh()
            if not offers.missing_key(provider):
                self._compose()
        key = offers.key(provider)
        return None if key is None else key.value

    # Keeping up

    def watch(self, on_changed: Callable[[], None]) -> Callable[[], None]:
        """Call back when the list is another. From the first time on the list is kept up to date."""
        self._watchers.append(on_changed)
        self._begin()
        return lambda: self._watchers.remove(on_changed)

    async def refresh(self, *, lists: bool = False) -> bool:
        """Look for keys and servers again; whether there is anything besides ``offline`` (Req: CR-02).

        What other servers list follows in the background, unless that is waited for too: ``lists``.
        """
        await self.look_around()
        listing = self._spawn(self._list())
        if lists:
            await listing
        return self.configured

    async def look_around(self) -> None:
        """Look for keys and for servers of this machine, and ask nobody else."""
        self._begun = True
        self.credentials.refresh()
        if self._settings.keyring:
            await asyncio.to_thread(self.credentials.ask_keyring, self.taking_keys())
        await self._find_local()

    async def aclose(self) -> None:
        """End what goes on in the background."""
        if self._later is not None:
            self._later.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await self._around.aclose()

    def _begin(self) -> None:
        if self._begun:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._begun = True
        if self._settings.keyring or self._around.somebody_may_listen(self._environment) or self._unlisted():
            self._offline.ready = self.default_model != OFFLINE
            self._look = self._spawn(self._begin_looking())
        if self.configured:
            self.provider_of(self.default_model)  # what its first request needs is loaded from now on
            self._later = loop.call_later(LISTED_AFTER_S, lambda: self._spawn(self._list()))

    def _unlisted(self) -> bool:
        """Whether a server that the user named is to say first which models it has."""
        return self._offers is not None and self.default_model == OFFLINE and bool(self._offers.to_list())

    async def _begin_looking(self) -> None:
        try:
            if self._settings.keyring:
                await asyncio.to_thread(self.credentials.ask_keyring, self.taking_keys())
                self._compose()
            await asyncio.gather(self._find_local(), self._list() if self._unlisted() else asyncio.sleep(0))
        finally:
            self._offline.ready = True

    async def _find_local(self) -> None:
        """Find out who is there on this machine, and offer what there is."""
        await self._around.find_local(self._loaded())
        self._compose()

    async def _list(self) -> None:
        """Ask the servers which models they have, and offer those."""
        await self._around.list_all(self._loaded(), self._key)
        self._compose()

    def _loaded(self) -> Offers:
        if self._offers is None:
            from agent_server.providers.offers import Offers

            self._offers = Offers(self._settings, self._environment, self.credentials, self._around)
        return self._offers

    def _compose(self) -> None:
        """Make the list anew; whoever watches is told if it is another."""
        offers = self._loaded()
        real, offline = offers.models(), tuple(self._offline.models())
        models = real + offline if offers.begins() else offline + real
        key_states = offers.key_states()
        told, self._key_states = self._key_states, key_states
        if models == self._models and told in (None, key_states):
            return
        self._models = models
        self._infos = {info.id: info for info in models}
        self._served.clear()  # another key may want to be sent otherwise
        for on_changed in tuple(self._watchers):
            on_changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("looking for models failed", exc_info=error)


class _Offline(OfflineProvider):
    """``offline`` as a part of the catalog: not ready while somebody better may turn up at any moment."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.ready = True

    async def wait_ready(self) -> None:
        """Wait until it is known who is there."""
        await self._catalog.wait_ready()
