"""Our own methods about models, what they cost, and keys.

Req: MO-01, MO-03, MO-05, MO-08, MO-11, CR-02, CR-03.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_server.connection.handlers import handles
from agent_server.conversation.usage import UsageTotals
from agent_server.protocol.extensions import (
    AUTH_REFRESH,
    AUTH_STATUS,
    AUTH_STATUS_CHANGED,
    BUDGET_GET,
    BUDGET_SET,
    MODEL_CYCLE,
    MODELS_LIST,
    OPT_IN,
    SESSION_USAGE,
    THINKING_CYCLE,
)
from agent_server.sessions.model_choice import cycle_level, cycle_model, level_of, levels_of, models_of
from agent_server.sessions.spending import budget_of, set_budget

if TYPE_CHECKING:
    from agent_server.agent.service import AgentService
    from agent_server.connection.connection import Connection
    from agent_server.protocol.extensions.models import (
        AuthRefreshRequest,
        AuthRefreshResponse,
        AuthStatusRequest,
        AuthStatusResponse,
        Budget,
        CycleModelRequest,
        CycleModelResponse,
        CycleThinkingRequest,
        CycleThinkingResponse,
        GetBudgetRequest,
        ListModelsRequest,
        ListModelsResponse,
        SessionUsageRequest,
        SessionUsageResponse,
        SetBudgetRequest,
    )
    from agent_server.protocol.method import NotificationMethod
    from agent_server.providers.provider import ModelInfo
    from agent_server.sessions.session import Session


class ModelMethods:
    """A part of what answers for a connection."""

    if TYPE_CHECKING:
        _service: AgentService
        connection: Connection

        def _named(self, session_id: str | None, instance_id: str | None) -> Session: ...
        def _notify(self, method: NotificationMethod[Any], params: dict[str, Any]) -> None: ...

    @handles(MODELS_LIST)
    def list_models(self, params: ListModelsRequest) -> ListModelsResponse:
        """The models that can be chosen now (Req: MO-01)."""
        session = self._named(params.session_id, None)
        offered = [_offered(info, session) for info in models_of(session)]
        return MODELS_LIST.encoded({"models": offered})

    @handles(MODEL_CYCLE)
    def cycle_model(self, params: CycleModelRequest) -> CycleModelResponse:
        """The next model of the rotation (Req: MO-03)."""
        session = self._named(params.session_id, None)
        index, total = cycle_model(session)
        told = {"model": session.model, "index": index, "total": total, "thoughtLevel": level_of(session)}
        return MODEL_CYCLE.encoded({name: value for name, value in told.items() if value is not None})

    @handles(THINKING_CYCLE)
    def cycle_thinking(self, params: CycleThinkingRequest) -> CycleThinkingResponse:
        """The next level of reasoning (Req: MO-05)."""
        return THINKING_CYCLE.encoded({"thoughtLevel": cycle_level(self._named(params.session_id, None))})

    @handles(SESSION_USAGE)
    def session_usage(self, params: SessionUsageRequest) -> SessionUsageResponse:
        """What its model calls used so far (Req: MO-08)."""
        used = self._named(params.session_id, None).record.usage or UsageTotals()
        told: dict[str, Any] = {
            "modelCalls": used.model_calls,
            "inputTokens": used.input_tokens,
            "outputTokens": used.output_tokens,
            "cachedReadTokens": used.cached_read_tokens,
            "cachedWriteTokens": used.cached_write_tokens,
            "thoughtTokens": used.thought_tokens,
        }
        if used.cost_usd is not None:
            told["costUsd"] = used.cost_usd
        return SESSION_USAGE.encoded(told)

    @handles(BUDGET_GET)
    def get_budget(self, params: GetBudgetRequest) -> Budget:
        """What the session may spend, and has (Req: MO-11)."""
        return BUDGET_GET.encoded(_budget(self._named(params.session_id, None)))

    @handles(BUDGET_SET)
    def set_budget(self, params: SetBudgetRequest) -> Budget:
        """Limit what the session may spend; what is not given stays (Req: MO-11)."""
        session = self._named(params.session_id, None)
        given, now = params.model_fields_set, budget_of(session)
        set_budget(
            session,
            params.max_cost_usd if "max_cost_usd" in given else now.max_cost_usd,
            params.max_tokens if "max_tokens" in given else now.max_tokens,
        )
        return BUDGET_SET.encoded(_budget(session))

    @handles(AUTH_STATUS)
    def key_status(self, params: AuthStatusRequest) -> AuthStatusResponse:
        """Which providers have a key, and where from (Req: CR-03)."""
        return AUTH_STATUS.encoded(self._key_states())

    @handles(AUTH_REFRESH)
    async def refresh_keys(self, params: AuthRefreshRequest) -> AuthRefreshResponse:
        """Look for keys and local servers again; clients that opted in are told (Req: CR-02)."""
        configured = await self._service.provider.refresh()
        if self.connection.offers(OPT_IN):
            self._notify(AUTH_STATUS_CHANGED, self._key_states())
        return AUTH_REFRESH.encoded({"configured": configured})

    def _key_states(self) -> dict[str, Any]:
        states = []
        for state in self._service.provider.key_states():
            told = {"id": state.id, "name": state.title, "configured": state.configured}
            states.append(told if state.source is None else {**told, "source": state.source})
        return {"configured": any(state["configured"] for state in states), "providers": states}


def _offered(info: ModelInfo, session: Session) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": info.id,
        "name": info.name,
        "provider": info.provider or session.spec.provider.id,
        "windowTokens": info.window_tokens,
        "outputTokens": info.output_tokens,
        "thoughtLevels": list(levels_of(info)),
        "current": info.id == session.model,
    }
    if info.price is not None:
        price = {
            "inputUsd": info.price.input_usd,
            "outputUsd": info.price.output_usd,
            "cachedReadUsd": info.price.cached_read_usd,
            "cachedWriteUsd": info.price.cached_write_usd,
        }
        told["price"] = {name: value for name, value in price.items() if value is not None}
    return {name: value for name, value in told.items() if value is not None}


def _budget(session: Session) -> dict[str, Any]:
    budget, used = budget_of(session), session.record.usage or UsageTotals()
    told = {
        "maxCostUsd": budget.max_cost_usd,
        "maxTokens": budget.max_tokens,
        "costUsd": used.cost_usd,
        "tokens": used.tokens,
    }
    return {name: value for name, value in told.items() if value is not None}
