"""Whether a login is needed, and which accounts there are. Spec (unstable): auth-status."""

from __future__ import annotations

from pydantic import Field

from agent_server.protocol.model import Lenient, LenientList, Model


class AuthStatusRequest(Model):
    """Can sessions be started without a login? Never refused for want of one."""


class AuthAccount(Model):
    """An account or key that the agent has, for display only: it identifies nobody, and ``repr`` leaves it out."""

    label: str = Field(repr=False)
    active: Lenient[bool] = None
    name: Lenient[str] = Field(default=None, repr=False)
    email: Lenient[str] = Field(default=None, repr=False)
    organization: Lenient[str] = Field(default=None, repr=False)


class AuthStatusResponse(Model):
    """``state`` is ``authenticated``, ``unauthenticated``, ``not_required``, ``unknown``, or a word that counts as
    ``unknown``.
    """

    state: str
    accounts: LenientList[AuthAccount] = Field(default_factory=list)


class AuthStatusUpdateNotification(Model):
    """The answer to ``auth/status`` has changed."""

    state: str
    accounts: LenientList[AuthAccount] = Field(default_factory=list)
