"""The checks: each provokes one behaviour of an agent, and judges that alone."""

from __future__ import annotations

from conformance.checks import (
    cancelling,
    client_services,
    opening,
    permissions,
    prompts,
    questions,
    settings,
    tools,
    unstable,
)

__all__ = [
    "cancelling",
    "client_services",
    "opening",
    "permissions",
    "prompts",
    "questions",
    "settings",
    "tools",
    "unstable",
]
