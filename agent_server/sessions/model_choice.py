"""Which model answers a session, and how much it reasons: choosing, cycling, and keeping up with what is offered.

The conversation is not touched by any of it; what is chosen holds from the next model request on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from agent_server.conversation.events import OptionChanged
from agent_server.conversation.messages import AssistantMessage
from agent_server.errors import SessionConflict

if TYPE_CHECKING:
    from agent_server.providers.provider import ModelInfo
    from agent_server.sessions.session import Session

OFF: Final = "off"


def models_of(session: Session) -> Sequence[ModelInfo]:
    """The models that can be chosen for it: all that are offered, and its own, also if that is offered no more."""
    offered = session.spec.provider.models()
    for info in offered:
        if info.id == session.model:
            return offered
    return (*offered, session.model_info)


def levels_of(info: ModelInfo) -> tuple[str, ...]:
    """The levels of reasoning that can be chosen for the model; none where there is no choice (Req: MO-04)."""
    return (OFF, *info.efforts) if info.efforts else ()


def level_of(session: Session) -> str | None:
    """The level at which its model reasons now; None where there is no choice."""
    levels = levels_of(session.model_info)
    if not levels:
        return None
    chosen = session.record.thought_level
    if chosen in levels:
        return chosen
    usual = session.model_info.default_effort
    return usual if usual in levels else levels[len(levels) // 2]


def effort_of(session: Session) -> str | None:
    """What its model requests say of reasoning; None where nobody chose, or the model knows no such level."""
    chosen = session.record.thought_level
    return chosen if chosen is not None and chosen in levels_of(session.model_info) else None


def set_model(session: Session, model: str) -> None:
    """Change the model (Req: MO-02).

    Raises:
        ValueError: it is none of those that can be chosen.
    """
    for info in models_of(session):
        if info.id == model:
            break
    else:
        raise ValueError("unknown model")
    session.model_chosen = True
    _change_to(session, info)


def set_level(session: Session, level: str) -> None:
    """Change the level of reasoning (Req: MO-04).

    Raises:
        ValueError: the model knows no such level.
    """
    if level not in levels_of(session.model_info):
        raise ValueError("unknown level")
    if level != session.record.thought_level:
        session.log.append(OptionChanged("thought_level", level))
        session.touch()


def cycle_level(session: Session) -> str:
    """Go on to the next level, from the highest to ``off``; the new one (Req: MO-05).

    Raises:
        SessionConflict: ``not_supported``; the model has no levels.
    """
    levels, level = levels_of(session.model_info), level_of(session)
    if level is None:
        raise SessionConflict("not_supported", "this model's reasoning cannot be chosen")
    following = levels[(levels.index(level) + 1) % len(levels)]
    set_level(session, following)
    return following


def cycle_model(session: Session) -> tuple[int, int]:
    """Go on to the next entry of the rotation that is offered; its index, from 1, and how many there are (Req: MO-03).

    Raises:
        SessionConflict: ``no_rotation``; none is configured, or nothing of it is offered.
    """
    offered = {info.id: levels_of(info) for info in session.spec.provider.models()}
    known = (entry for entry in session.spec.rotation if entry[0] in offered)
    rotation = list(dict.fromkeys((model, level if level in offered[model] else None) for model, level in known))
    if not rotation:
        raise SessionConflict("no_rotation", "no rotation of models is configured")
    now = (session.model, session.record.thought_level)
    exact = [index for index, entry in enumerate(rotation) if entry == now]
    alike = [index for index, (model, _level) in enumerate(rotation) if model == session.model]
    index = ((exact or alike or [-1])[0] + 1) % len(rotation)
    model, level = rotation[index]
    set_model(session, model)
    if level is not None:
        set_level(session, level)
    return index + 1, len(rotation)


def keep_up(session: Session) -> None:
    """The list of models changed: know what is new of the session's own, or go over to the one to begin with.

    The latter only where nobody chose the model, and it was not asked yet.
    """
    models = session.spec.provider.models()
    info = next((info for info in models if info.id == session.model), None)
    asked = session.turn_running and session.model_asked
    asked = asked or any(type(message) is AssistantMessage for message in session.record.messages)
    if not (session.model_chosen or asked) and models[0].id != session.model:
        _change_to(session, models[0])
    elif info is not None:
        session.model_info = info
        session.provider = session.spec.provider.provider_of(info.id)


def _change_to(session: Session, info: ModelInfo) -> None:
    changed = info.id != session.model
    session.model_info = info
    session.provider = session.spec.provider.provider_of(info.id)
    if changed:
        session.log.append(OptionChanged("model", info.id))
        session.touch()
