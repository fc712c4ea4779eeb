"""What a session's model calls used and cost, and what they may (Req: MO-08..MO-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from agent_server.conversation.events import BudgetChanged
from agent_server.conversation.usage import COST_DIGITS, UsageTotals
from agent_server.errors import SessionConflict

if TYPE_CHECKING:
    from agent_server.providers.provider import ModelInfo, Usage
    from agent_server.sessions.session import Session

LimitReached: TypeAlias = Literal["cost_limit_reached", "token_limit_reached"]

_PER_MILLION: Final = 1_000_000


def cost_of(usage: Usage, info: ModelInfo) -> float | None:
    """What a call cost, in US dollars: what its server says, else by the model's price; None where that is not known.

    A server that says nothing was spent is not believed where there is a price (Req: MO-10).
    """
    if usage.cost_usd or (usage.cost_usd is not None and info.price is None):
        return usage.cost_usd
    price = info.price
    if price is None:
        return None
    if price.above is not None and usage.input_tokens > price.above_tokens:
        price = price.above
    uncached = max(0, usage.input_tokens - usage.cached_read_tokens - usage.cached_write_tokens)
    read = price.input_usd if price.cached_read_usd is None else price.cached_read_usd
    write = price.input_usd if price.cached_write_usd is None else price.cached_write_usd
    micro_usd = (
        uncached * price.input_usd
        + usage.cached_read_tokens * read
        + usage.cached_write_tokens * write
        + usage.output_tokens * price.output_usd
    )
    return round(micro_usd / _PER_MILLION, COST_DIGITS)


def budget_of(session: Session) -> BudgetChanged:
    """What its model calls may cost and use in all."""
    limits = session.limits
    return session.record.budget or BudgetChanged(limits.max_cost_usd, limits.max_tokens)


def set_budget(session: Session, max_cost_usd: float | None, max_tokens: int | None) -> None:
    """What its model calls may cost and use in all; None: as much as they like (Req: MO-11)."""
    budget = BudgetChanged(max_cost_usd, max_tokens)
    if budget != budget_of(session):
        session.log.append(budget)
        session.touch()


def limit_reached(session: Session) -> LimitReached | None:
    """Which limit of the session its model calls have reached, if any."""
    used = session.record.usage
    if used is None:
        return None
    budget = budget_of(session)
    if budget.max_cost_usd is not None and used.cost_usd is not None and used.cost_usd >= budget.max_cost_usd:
        return "cost_limit_reached"
    if budget.max_tokens is not None and used.tokens >= budget.max_tokens:
        return "token_limit_reached"
    return None


def sentence_of(session: Session, limit: LimitReached) -> str:
    """What to tell people of a limit that was reached."""
    budget, used = budget_of(session), session.record.usage or UsageTotals()
    if limit == "cost_limit_reached":
        return f"The session has spent ${used.cost_usd or 0:.4f}; its limit is ${budget.max_cost_usd or 0:.4f}."
    return f"The session has used {used.tokens} tokens; its limit is {budget.max_tokens}."


def check_limits(session: Session) -> None:
    """Let pass what the session may still pay for.

    Raises:
        SessionConflict: ``cost_limit_reached`` or ``token_limit_reached``.
    """
    limit = limit_reached(session)
    if limit is not None:
        raise SessionConflict(limit, sentence_of(session, limit))
