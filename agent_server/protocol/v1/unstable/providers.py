"""The client says where the agent's model requests go. Spec (unstable): custom-llm-endpoint."""

from __future__ import annotations

from pydantic import Field

from agent_server.protocol.model import LenientList, Model


class ProviderCurrentConfig(Model):
    """Where a provider's requests go now. ``api_type`` is open; see `ProviderInfo`."""

    api_type: str
    base_url: str


class ProviderInfo(Model):
    """A provider that can be configured; without ``current`` it is disabled, which a required one never is.

    ``supported`` names the protocols it may speak: ``anthropic``, ``openai``, ``azure``, ``vertex``, ``bedrock`` or
    others.
    """

    provider_id: str
    supported: LenientList[str]
    required: bool
    current: ProviderCurrentConfig | None = None


class ListProvidersRequest(Model):
    """Which providers can be configured?"""


class ListProvidersResponse(Model):
    """Every provider, without its secrets."""

    providers: list[ProviderInfo]


class SetProviderRequest(Model):
    """The whole configuration of one provider, in place of the one before. Headers may be secrets: not in ``repr``."""

    provider_id: str
    api_type: str
    base_url: str
    headers: dict[str, str] = Field(default_factory=dict, repr=False)


class SetProviderResponse(Model):
    """Configured."""


class DisableProviderRequest(Model):
    """Send nothing more to this provider."""

    provider_id: str


class DisableProviderResponse(Model):
    """Disabled."""
