"""Putting an agent process together from its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from agent_server.config.files import PROJECT_FILE, user_store_dir
from agent_server.config.settings import Settings, SettingsError, resolve

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeGuard

    from agent_server.agent.login import Login
    from agent_server.agent.service import AgentService
    from agent_server.conversation.tool_calls import ToolSpec
    from agent_server.providers.catalog import Catalog
    from agent_server.providers.provider import Provider
    from agent_server.sessions.spec import Limits
    from agent_server.sessions.supervisor import SessionSupervisor
    from agent_server.store.catalogue import Catalogue
    from agent_server.store.files import FileStore
    from agent_server.store.memory import MemoryStore
    from agent_server.tools.tool import Tool
    from agent_server.tools.toolbox import Toolbox

SCENARIO_PREFIX = "scenario:"


def make_provider(settings: Settings) -> Provider:
    """The provider that the settings ask for: everything that can be asked, unless one of the built-in ones is named.

    Raises:
        SettingsError: nothing of that name is known, or the scenario cannot be loaded.
    """
    model = settings.model
    if model == "offline":
        from agent_server.providers.offline import OfflineProvider

        return OfflineProvider()
    if model is not None and model.startswith(SCENARIO_PREFIX):
        from agent_server.providers.scenario.loading import InvalidScenario
        from agent_server.providers.scenario.provider import load_scenario

        try:
            return load_scenario(model.removeprefix(SCENARIO_PREFIX))
        except InvalidScenario as error:
            raise SettingsError(str(error)) from error
    return make_catalog(settings)


def make_catalog(settings: Settings) -> Catalog:
    """Everything that can be asked.

    Raises:
        SettingsError: a setting names a model that there cannot be.
    """
    from agent_server.providers.catalog import Catalog

    try:
        return Catalog(settings)
    except ValueError as error:  # it names no model
        raise SettingsError(f"--model or --rotation: {error}") from error


def login_for(provider: Provider, settings: Settings) -> Login | None:
    """How to give the chosen model its key, where it needs one; None where nothing needs a login."""
    if settings.model is None or not is_catalog(provider) or not provider.takes_key(provider.default_model):
        return None
    from agent_server.cli.keys_login import KeysLogin

    return KeysLogin(provider)


def open_store(settings: Settings) -> tuple[FileStore | MemoryStore, Catalogue]:
    """Where sessions are kept, and the list of them. Nothing is opened or made yet."""
    if settings.store == "files" and os.name == "posix":
        from agent_server.store.files import FileStore
        from agent_server.store.sqlite_catalogue import SqliteCatalogue

        directory = os.path.abspath(settings.store_dir or user_store_dir(os.environ))
        return FileStore(directory), SqliteCatalogue(os.path.join(directory, "catalogue.sqlite3"))
    from agent_server.store.catalogue import MemoryCatalogue
    from agent_server.store.memory import MemoryStore

    return MemoryStore(), MemoryCatalogue()


class Sessions:
    """The supervisor and the store of a process. Use as an async context manager: at its end everything is saved."""

    def __init__(self, store: FileStore | MemoryStore, supervisor: SessionSupervisor) -> None:
        self.store = store
        self.supervisor = supervisor

    async def __aenter__(self) -> Sessions:
        await self.supervisor.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self.supervisor.__aexit__(kind, error, trace)
        finally:
            self.store.close(tidy=self.supervisor.entries.up_to_date)


def make_sessions(settings: Settings) -> Sessions:
    """The living sessions of one process, and where they are kept."""
    from agent_server.sessions.supervisor import SessionSupervisor
    from agent_server.store.memory import MemoryStore

    store, catalogue = open_store(settings)
    if isinstance(store, MemoryStore):
        return Sessions(store, SessionSupervisor(store, idle_timeout_s=settings.idle_timeout_s))
    from agent_server.sessions.indexing import Indexing
    from agent_server.store.leftovers import Leftovers

    supervisor = SessionSupervisor(store, catalogue, worker=store.worker, idle_timeout_s=settings.idle_timeout_s)
    store.on_trouble = supervisor.save_trouble
    supervisor.entries.indexing = Indexing(store, Leftovers(store.directory), supervisor.entries)
    return Sessions(store, supervisor)


def make_service(
    settings: Settings, supervisor: SessionSupervisor, provider: Provider, *, model_is_fixed: bool = False
) -> AgentService:
    """The service of one process. ``model_is_fixed``: a flag or a variable named the model, so no project may."""
    from agent_server.agent.service import AgentService
    from agent_server.sessions.spec import Limits

    spending = (settings.max_cost_usd, settings.max_session_tokens or None)
    usual = (None, Limits(settings.max_turn_requests, settings.approval_timeout_s, *spending))

    def choices_for(cwd: str) -> tuple[str | None, Limits]:
        if not os.access(f"{cwd}/{PROJECT_FILE}", os.F_OK):  # a third of what looking at it would cost
            return usual
        project = resolve(project_dir=cwd, environment={}, user_file=os.devnull).settings
        limit = min(settings.max_turn_requests, project.max_turn_requests)
        model = None if model_is_fixed or project.model is None else _offered(provider, project.model)
        return model, Limits(limit, settings.approval_timeout_s, *spending)

    return AgentService(
        supervisor,
        provider,
        LazyTools(lambda: _toolbox(settings, provider)),
        choices_for=choices_for,
        commands_in_editor=settings.commands_in_editor,
        prune_after_days=settings.prune_after_days,
        env_allow=settings.tool_env_allow,
        thought_level=settings.thinking,
        rotation=provider.rotation() if settings.rotation and is_catalog(provider) else (),
    )


def is_catalog(provider: Provider) -> TypeGuard[Catalog]:
    """Whether it is everything that can be asked, and not one of the built-in providers or an embedded one."""
    return provider.id == "catalog" and provider.source == "builtin"


def _offered(provider: Provider, model: str) -> str | None:
    """The offered model that a project's file names: it may choose among those, and no other (Req: MO-02)."""
    if is_catalog(provider):
        return provider.offered(model)
    return model if any(info.id == model for info in provider.models()) else None


class LazyTools:
    """The tools of every session, imported when a model or a call first looks at them; implements ToolSet."""

    def __init__(self, load: Callable[[], Toolbox]) -> None:
        self._load = load
        self._toolbox: Toolbox | None = None
        self.specs: Sequence[ToolSpec] = _LazySpecs(self)
        """How models see them."""

    def loaded(self) -> Toolbox:
        """The tools themselves."""
        if self._toolbox is None:
            self._toolbox = self._load()
            self.specs = self._toolbox.specs
        return self._toolbox

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return self.loaded().get(name)


class _LazySpecs(Sequence["ToolSpec"]):
    def __init__(self, tools: LazyTools) -> None:
        self._tools = tools

    def __len__(self) -> int:
        return len(self._tools.loaded().specs)

    def __getitem__(self, index: int) -> ToolSpec:  # type: ignore[override]
        return self._tools.loaded().specs[index]

    def __iter__(self) -> Iterator[ToolSpec]:
        return iter(self._tools.loaded().specs)


def _toolbox(settings: Settings, provider: Provider) -> Toolbox:
    from agent_server.tools.toolbox import Toolbox, default_toolbox

    toolbox = default_toolbox(command_timeout_s=settings.command_timeout_s)
    if provider.source != "builtin":
        return toolbox
    from agent_server.agent.self_test import SelfTest, SelfTestTerminal

    return Toolbox([*toolbox, SelfTest(), SelfTestTerminal()])
