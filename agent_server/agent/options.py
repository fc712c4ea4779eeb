"""A session's modes and config options as they stand on the wire; the two always agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agent_server.sessions.model_choice import level_of, levels_of, models_of
from agent_server.sessions.policy import MODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_server.providers.provider import ModelInfo
    from agent_server.sessions.session import Session

_MODES: Final = [{"id": mode.id, "name": mode.name, "description": mode.description} for mode in MODES]
_last: tuple[Sequence[ModelInfo], list[dict[str, Any]]] | None = None
_MODE_VALUES: Final = [{"value": mode.id, "name": mode.name, "description": mode.description} for mode in MODES]


def mode_state(session: Session) -> dict[str, Any]:
    """The modes, for clients that do not know config options."""
    return {"currentModeId": session.policy.mode, "availableModes": _MODES}


def config_options(session: Session) -> list[Any]:
    """Every option with its value, as plain JSON values. Each listed value can be set now (Req: MO-01, MO-04).

    The reasoning of a model that knows no levels cannot be chosen, so there is no such option then.
    """
    options = [
        _select("mode", "Mode", "mode", session.policy.mode, _MODE_VALUES),
        _select("model", "Model", "model", session.model, _models(session)),
    ]
    level = level_of(session)
    if level is not None:
        levels = [{"value": word, "name": word.capitalize()} for word in levels_of(session.model_info)]
        options.append(_select("thought_level", "Reasoning", "thought_level", level, levels))
    return options


def _models(session: Session) -> list[dict[str, Any]]:
    """The models, by who serves them where there are several: flat and grouped are never mixed."""
    global _last
    models = models_of(session)
    if type(models) is not tuple:  # it may be changed in place
        return _grouped(models)
    if _last is None or _last[0] is not models:  # lists are long, and the same for all sessions until they change
        _last = (models, _grouped(models))
    return _last[1]


def _grouped(models: Sequence[ModelInfo]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for info in models:
        entry = {"value": info.id, "name": info.name}
        if info.description:
            entry["description"] = info.description
        groups.setdefault(info.provider or info.id, []).append(entry)
    if len(groups) == 1 or all(len(group) == 1 for group in groups.values()):
        return [model for group in groups.values() for model in group]
    return [{"group": name, "name": name, "options": group} for name, group in groups.items()]


def _select(option_id: str, name: str, category: str, value: str, options: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "select",
        "id": option_id,
        "name": name,
        "category": category,
        "currentValue": value,
        "options": options,
    }
