"""LLMs around LLMs: what makes calls stand under load and faults.

Recommended order, from the outside: `Fallback` over endpoints, each of them
`Retrying(Hedged(RateLimited(Limited(Breaker(Observed(llm))))))`. So retries and hedges are calls like others
to the limits, `Breaker` and `Limited` see each call as the endpoint answered it, and a retry holds no place
while it waits.

All keep within the request's `timeout_s`, pass on to the inner LLM what is left of it, and cancel the inner
call when they are cancelled. Hooks are called with frozen details that hold nothing of the article.
"""

from service.resilience.breaker import Breaker, BreakerChange, BreakerState
from service.resilience.fallback import Endpoint, Failover, Fallback
from service.resilience.hedged import Hedge, Hedged
from service.resilience.limited import Limited
from service.resilience.observed import Call, Observed
from service.resilience.rate_limited import RateLimited
from service.resilience.retrying import Retry, Retrying
from service.resilience.waiting_room import Admission

__all__ = [
    "Admission",
    "Breaker",
    "BreakerChange",
    "BreakerState",
    "Call",
    "Endpoint",
    "Failover",
    "Fallback",
    "Hedge",
    "Hedged",
    "Limited",
    "Observed",
    "RateLimited",
    "Retry",
    "Retrying",
]
