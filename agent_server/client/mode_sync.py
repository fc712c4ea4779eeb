"""Modes and the config option that stands for them: agents send both, and one change may come by either. Pure.

Spec: session-config-options (``category: "mode"``).
"""

from __future__ import annotations

from agent_server.protocol.v1.session import (
    SessionConfigOption,
    SessionConfigSelect,
    SessionConfigSelectGroup,
)


def mode_of_options(options: list[SessionConfigOption]) -> str | None:
    """The mode that the options say the session is in; None where none of them stands for it."""
    return next((option.current_value for option in map(_mode_option, options) if option is not None), None)


def options_in_mode(options: list[SessionConfigOption], mode_id: str) -> list[SessionConfigOption]:
    """The same options in that mode; one that does not offer it stays as it is."""
    return [_in_mode(option, mode_id) for option in options]


def _in_mode(option: SessionConfigOption, mode_id: str) -> SessionConfigOption:
    selector = _mode_option(option)
    if selector is None or mode_id not in _values(selector):
        return option
    return selector.model_copy(update={"current_value": mode_id})


def _mode_option(option: SessionConfigOption) -> SessionConfigSelect | None:
    """The option itself if it stands for the mode."""
    return option if isinstance(option, SessionConfigSelect) and option.category == "mode" else None


def _values(option: SessionConfigSelect) -> set[str]:
    values: set[str] = set()
    for entry in option.options:
        choices = entry.options if isinstance(entry, SessionConfigSelectGroup) else [entry]
        values.update(choice.value for choice in choices)
    return values
