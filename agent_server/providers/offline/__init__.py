"""The embedded default: works without any model, from what the user writes."""

from __future__ import annotations

from agent_server.providers.offline.provider import OfflineProvider

__all__ = ["OfflineProvider"]
