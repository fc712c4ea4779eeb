"""What an agent offers beyond ACP, if it is one of ours: ``agentCapabilities._meta.agent_server``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OUR_NAME: Final = "agent_server"
"""The key in ``_meta`` under which agent-server says what is its own."""


@dataclass(frozen=True, slots=True)
class AgentExtensions:
    """What it offers.

    Attributes:
        version: of the extensions, as the agent writes it; None if it does not.
        methods: names of the requests that it answers.
        notifications: names of the notifications that it sends to clients that want them.
    """

    version: str | int | None
    methods: frozenset[str]
    notifications: frozenset[str]

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any] | None) -> AgentExtensions | None:
        """What ``_meta`` says; None where it says nothing. What is malformed counts as absent."""
        ours = (meta or {}).get(OUR_NAME)
        if not isinstance(ours, dict):
            return None
        version = ours.get("version")
        return cls(
            version=version if type(version) in (str, int) else None,
            methods=_names(ours.get("methods")),
            notifications=_names(ours.get("notifications")),
        )


def message_id_of(meta: Mapping[str, Any] | None) -> str | None:
    """The id that the agent gave our prompt, if the ``_meta`` of its answer says so."""
    ours = (meta or {}).get(OUR_NAME)
    message_id = ours.get("messageId") if isinstance(ours, dict) else None
    return message_id if isinstance(message_id, str) else None


def _names(value: Any) -> frozenset[str]:
    return frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()
