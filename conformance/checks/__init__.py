"""The checks: each provokes one behaviour of an agent, and judges that alone."""

from __future__ import annotations

from conformance.checks import (
    cancelling,
    client_services,
    ending,
    framing,
    history,
    listing,
    login,
    messages,
    opening,
    permissions,
    prompts,
    questions,
    sessions,
    settings,
    tools,
    unstable,
)

__all__ = [
    "cancelling",
    "client_services",
    "ending",
    "framing",
    "history",
    "listing",
    "login",
    "messages",
    "opening",
    "permissions",
    "prompts",
    "questions",
    "sessions",
    "settings",
    "tools",
    "unstable",
]
