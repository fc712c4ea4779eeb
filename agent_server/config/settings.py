"""The settings of a server, and where each came from: flags > environment > project file > user file > default.

A project file comes with a checkout that somebody else wrote, so it may set only what cannot widen trust: the model,
and two limits that it may lower. Everything else in it is ignored, with a warning. Secrets are never settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from agent_server.config import kinds
from agent_server.config.files import PROJECT_FILE, read_settings_file, user_file_path
from agent_server.config.kinds import Kind, Mismatch
from agent_server.config.levels import LEVELS
from agent_server.errors import AgentServerError

if TYPE_CHECKING:
    from agent_server.config.tables import ModelTable, ProviderTable

ENVIRONMENT_PREFIX: Final = "AGENT_SERVER_"
STORES: Final = ("files", "memory")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
MAX_WARNINGS_PER_FILE: Final = 20
MAX_KEY_DEPTH: Final = 5
"""How many parts of a dotted key a warning shows."""


class SettingsError(AgentServerError):
    """A flag or an environment variable holds what its setting cannot be; the text names it and what was expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen about a server.

    Attributes:
        model: the model to begin with; None: the best that is there.
        thinking: how much models reason at first, one of `LEVELS`; None: as each likes (Req: MO-06).
        rotation: the models to go round, ``provider:model`` or ``provider:model:level`` (Req: MO-03).
        max_cost_usd: what a session may cost; None: there is no limit.
        max_session_tokens: how many tokens a session may read and write; 0: any number.
        local_models: whether servers of models on this machine are looked for.
        keyring: whether keys are looked for in the system's keyring too.
        first_byte_timeout_s: how long a model may take to begin its answer; None: as is usual for its server.
        idle_stream_timeout_s: how long a model may fall silent within its answer; None: likewise.
        commands_in_editor: whether the editor's terminals run the commands of tools, where it offers them.
        approval_timeout_s: how long the user may think about an approval (Req: AP-13).
        max_frame_bytes: the longest frame that is accepted.
        drain_s: how long prompts may run on after the end of the input (promise P9).
        max_turn_requests: how many requests to the model one turn may make.
        log_file: where the log goes; None: nowhere.
        log_level: one of `LOG_LEVELS`.
        trace_file: where every frame is recorded; None: nowhere.
        command_timeout_s: how long a command of a tool may run (Req: TL-07).
        idle_timeout_s: how long a session stays in memory without clients and work; 0: for ever (Req: EV-05).
        enable_test_faults: whether tests may break sessions and turn the clock.
        unstable: whether methods that are no part of the protocol yet are served.
        store: one of `STORES`: whether sessions outlive the process.
        store_dir: where they are kept; None: the platform's usual place.
        prune_after_days: after how many days without use a stored session is removed; 0: never (Req: PE-08).
        tool_env_allow: names of environment variables that commands get besides the harmless ones.
        providers: servers of models by the user's own words for them; only the user's file may name any.
        models: what the user says of models, by ``provider:model``; only in the user's file too.
    """

    model: str | None = None
    thinking: str | None = None
    rotation: tuple[str, ...] = ()
    max_cost_usd: float | None = None
    max_session_tokens: int = 0
    local_models: bool = True
    keyring: bool = False
    first_byte_timeout_s: float | None = None
    idle_stream_timeout_s: float | None = None
    commands_in_editor: bool = False
    approval_timeout_s: float = 300
    max_frame_bytes: int = 64 * 1024 * 1024
    drain_s: float = 1.0
    max_turn_requests: int = 100
    log_file: str | None = None
    log_level: str = "info"
    trace_file: str | None = None
    command_timeout_s: float = 120
    idle_timeout_s: float = 4 * 3600
    enable_test_faults: bool = False
    unstable: bool = False
    store: str = "files"
    store_dir: str | None = None
    prune_after_days: int = 0
    tool_env_allow: tuple[str, ...] = ()
    providers: Mapping[str, ProviderTable] = field(default_factory=lambda: _NOTHING)
    models: Mapping[str, ModelTable] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings that hold.

    Attributes:
        warnings: sentences for the user about what was ignored, without any value.
        sources: for each setting where it came from: a flag, a variable, a file's path, or ``default``.
    """

    settings: Settings
    warnings: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

KINDS: Final[Mapping[str, Kind]] = {
    "model": kinds.text(),
    "thinking": kinds.choice(*LEVELS),
    "rotation": kinds.names(),
    "max_cost_usd": kinds.dollars(),
    "max_session_tokens": kinds.whole(0, "tokens"),
    "local_models": kinds.flag(),
    "keyring": kinds.flag(),
    "first_byte_timeout_s": kinds.seconds(1),
    "idle_stream_timeout_s": kinds.seconds(1),
    "commands_in_editor": kinds.flag(),
    "approval_timeout_s": kinds.seconds(0.001),
    "max_frame_bytes": kinds.whole(1024, "bytes"),
    "drain_s": kinds.seconds(0),
    "max_turn_requests": kinds.whole(1, "requests"),
    "log_file": kinds.path(),
    "log_level": kinds.choice(*LOG_LEVELS),
    "trace_file": kinds.path(),
    "command_timeout_s": kinds.seconds(0.001),
    "idle_timeout_s": kinds.seconds(0),
    "enable_test_faults": kinds.flag(),
    "unstable": kinds.flag(),
    "store": kinds.choice(*STORES),
    "store_dir": kinds.path(),
    "prune_after_days": kinds.whole(0, "days"),
    "tool_env_allow": kinds.names(),
}
TABLES: Final = ("providers", "models")
"""Settings that only tables of the user's file can hold."""

_MAY_LOWER: Final = frozenset({"command_timeout_s", "max_turn_requests"})
_OPEN_TO_PROJECTS: Final = frozenset({"model"}) | _MAY_LOWER


def resolve(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    project_dir: str | None = None,
    user_file: str | None = None,
) -> Resolved:
    """Find the settings that hold.

    Args:
        flags: by the setting's name, text or a value of its type; None stands for a flag that was not given.
        environment: variables ``AGENT_SERVER_<NAME>``; an empty one counts as not set. Default: the process's own.
        project_dir: where a project file is looked for, a session's cwd for example; None: nowhere.
        user_file: the user's file, instead of the platform's usual place.

    Raises:
        SettingsError: a flag or a variable is wrong. Files never raise; they give warnings.
    """
    environment = os.environ if environment is None else environment
    layers = _Layers()
    layers.add_user_file(user_file or user_file_path(environment))
    if project_dir is not None:
        layers.add_project_file(os.path.join(project_dir, PROJECT_FILE))
    for name in KINDS:
        variable = ENVIRONMENT_PREFIX + name.upper()
        if environment.get(variable):
            layers.add_given(variable, name, environment[variable])
    for name, value in (flags or {}).items():
        if value is not None:
            layers.add_given("--" + name.replace("_", "-"), name, value)
    return layers.resolved()


class _Layers:
    """Settings so far, lowest layer first; each layer replaces what those below it say."""

    def __init__(self) -> None:
        defaults = Settings()
        self._values: dict[str, Any] = {setting.name: getattr(defaults, setting.name) for setting in fields(Settings)}
        self._sources = dict.fromkeys(self._values, "default")
        self._warnings: list[str] = []

    def resolved(self) -> Resolved:
        return Resolved(Settings(**self._values), tuple(self._warnings), self._sources)

    def add_given(self, source: str, name: str, value: object) -> None:
        """A flag or a variable: whoever wrote it is there to correct it."""
        kind = KINDS.get(name)
        if kind is None:
            raise SettingsError(f"{source}: there is no such setting")
        try:
            self._set(source, name, kind.read_text(value) if isinstance(value, str) else kind.accept(value))
        except Mismatch as given:
            raise SettingsError(f"{source}: expected {kind.expected}, got {given}") from None

    def add_user_file(self, path: str) -> None:
        self._warn(self._take_file(path, frozenset((*KINDS, *TABLES)), "there is no such setting"))

    def add_project_file(self, path: str) -> None:
        self._warn(self._take_file(path, _OPEN_TO_PROJECTS, "a project may not set it", _MAY_LOWER))

    def _take_file(
        self, path: str, settable: frozenset[str], refusal: str, may_only_lower: frozenset[str] = frozenset()
    ) -> Iterator[str]:
        """Take what a file may set; yields a warning for everything else."""
        contents, problem = read_settings_file(path)
        if problem:
            yield problem
        for key, value in contents.items():
            if key not in settable:
                yield from (f"{path}: {name} is ignored: {refusal}" for name in _leaves(_shown(key), value))
                continue
            if key in TABLES:
                yield from self._take_table(path, key, value)
                continue
            try:
                accepted = KINDS[key].accept(value)
            except Mismatch as given:
                yield f"{path}: {key} is ignored: expected {KINDS[key].expected}, got {given}"
                continue
            if key in may_only_lower and accepted > self._values[key]:
                yield f"{path}: {key} is ignored: a project may lower it, not raise it above {self._values[key]:g}"
                continue
            self._set(path, key, accepted)

    def _take_table(self, path: str, key: str, value: object) -> Iterator[str]:
        from agent_server.config.tables import read_models, read_providers  # most users have no such tables

        taken, warnings = (read_providers if key == "providers" else read_models)(value)
        yield from (f"{path}: {warning}" for warning in warnings)
        if taken:
            self._set(path, key, taken)

    def _set(self, source: str, name: str, value: Any) -> None:
        self._values[name] = value
        self._sources[name] = source

    def _warn(self, warnings: Iterable[str]) -> None:
        """Keep the first warnings of a file: it may hold any number of keys."""
        new = list(warnings)
        self._warnings += new[:MAX_WARNINGS_PER_FILE]
        if len(new) > MAX_WARNINGS_PER_FILE:
            self._warnings.append(f"and {len(new) - MAX_WARNINGS_PER_FILE} more of the kind")


def _leaves(name: str, value: object, depth: int = 1) -> Iterator[str]:
    """The dotted keys of everything in a table, so that each can be found in the file; deep ones are cut short."""
    if not isinstance(value, dict) or not value or depth == MAX_KEY_DEPTH:
        yield name
        return
    for key, inner in value.items():
        yield from _leaves(f"{name}.{_shown(key)}", inner, depth + 1)


def _shown(key: str) -> str:
    """A key as it may be shown: anything that could disturb a terminal or a log line is escaped."""
    plain = key if key.isidentifier() and key.isascii() else ascii(key)
    return plain if len(plain) <= 60 else plain[:57] + "..."
