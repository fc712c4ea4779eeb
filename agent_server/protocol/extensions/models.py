"""What our own methods say of models, of what they cost, and of keys. Money is in US dollars."""

from __future__ import annotations

from pydantic import Field

from agent_server.protocol.model import Model


class ModelPrice(Model):
    """What a million tokens of each kind cost; absent where it is not known."""

    input_usd: float
    output_usd: float
    cached_read_usd: float | None = None
    cached_write_usd: float | None = None


class OfferedModel(Model):
    """A model that can be chosen now. (Req: MO-01)"""

    id: str
    name: str
    provider: str
    window_tokens: int | None = None
    output_tokens: int | None = None
    price: ModelPrice | None = None
    thought_levels: list[str]
    current: bool


class ListModelsRequest(Model):
    """The models that a session can choose from now. (Req: MO-01)"""

    session_id: str


class ListModelsResponse(Model):
    """All of them, the one to begin with first; exactly one is current."""

    models: list[OfferedModel]


class CycleModelRequest(Model):
    """Go on to the next model of the configured rotation. (Req: MO-03)"""

    session_id: str


class CycleModelResponse(Model):
    """What answers from now on; ``index`` counts from 1."""

    model: str
    index: int
    total: int
    thought_level: str | None = None


class CycleThinkingRequest(Model):
    """Go on to the next level of reasoning, from the highest to ``off``. (Req: MO-05)"""

    session_id: str


class CycleThinkingResponse(Model):
    """The level that holds from now on."""

    thought_level: str


class SessionUsageRequest(Model):
    """What did its model calls use? (Req: MO-08)"""

    session_id: str


class SessionUsageResponse(Model):
    """All model calls so far, also those that failed or were cancelled. No cost where no price is known.

    What came from a cache or was written to one is part of the input; thoughts are part of the output.
    """

    model_calls: int
    input_tokens: int
    output_tokens: int
    cached_read_tokens: int
    cached_write_tokens: int
    thought_tokens: int
    cost_usd: float | None = None


class GetBudgetRequest(Model):
    """What may it spend? (Req: MO-11)"""

    session_id: str


class SetBudgetRequest(Model):
    """Limit what a session may spend in all; null: no limit, absent: as it was. (Req: MO-11)"""

    session_id: str
    max_cost_usd: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)


class Budget(Model):
    """What a session may spend in all, and what it has spent; absent: no limit."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None
    cost_usd: float | None = None
    tokens: int


class ContinueSessionRequest(Model):
    """Let the model go on with the answer that broke off. Answered like ``session/prompt``. (Req: TN-10)"""

    session_id: str


class RetryNotification(Model):
    """A model call failed and is made again; for clients that take no notices. (Req: TN-13)"""

    session_id: str
    attempt: int
    delay_ms: int
    error_kind: str
    reason: str


class KeyStatus(Model):
    """Whether a provider can be used, and where its key is from; never the key. (Req: CR-03)"""

    id: str
    name: str
    configured: bool
    source: str | None = None


class AuthStatusRequest(Model):
    """Which providers can be used? (Req: CR-03)"""


class AuthStatusResponse(Model):
    """All providers that are known by name. As a notification: what became of a look for keys."""

    configured: bool
    providers: list[KeyStatus]


class AuthRefreshRequest(Model):
    """Look for keys and local servers again. (Req: CR-02)"""


class AuthRefreshResponse(Model):
    """Whether any model can be asked now."""

    configured: bool
