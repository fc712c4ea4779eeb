"""A session's modes and config options as they stand on the wire; the two always agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agent_server.sessions.policy import MODES

if TYPE_CHECKING:
    from agent_server.sessions.session import Session

_MODES: Final = [{"id": mode.id, "name": mode.name, "description": mode.description} for mode in MODES]
_MODE_VALUES: Final = [{"value": mode.id, "name": mode.name, "description": mode.description} for mode in MODES]


def mode_state(session: Session) -> dict[str, Any]:
    """The modes, for clients that do not know config options."""
    return {"currentModeId": session.policy.mode, "availableModes": _MODES}


def config_options(session: Session) -> list[Any]:
    """Every option with its value, as plain JSON values. Each listed value can be set now."""
    models = []
    for info in session.provider.models():
        entry = {"value": info.id, "name": info.name}
        if info.description:
            entry["description"] = info.description
        models.append(entry)
    return [
        _select("mode", "Mode", "mode", session.policy.mode, _MODE_VALUES),
        _select("model", "Model", "model", session.model, models),
    ]


def _select(option_id: str, name: str, category: str, value: str, options: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": "select",
        "id": option_id,
        "name": name,
        "category": category,
        "currentValue": value,
        "options": options,
    }
