"""The ledger in Redis or Valkey, shared by all processes of all machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.cache.base import CommandFailedError
from service.cache.redis_link import RedisLink
from service.ledger.base import USAGE_DAYS, Counts, Grant, Ledger, LedgerError, Line, Take, Taken

_PREFIX: Final = "standfirst:ledger:"
_DAY_S: Final = 86_400
_MEMBERS_AT_ONCE: Final = 500

# KEYS: counters. ARGV: amount, limit and seconds for each.
_TAKE: Final = """
local totals, refused = {}, 0
for i, key in ipairs(KEYS) do
    totals[i] = tonumber(redis.call('GET', key) or 0)
    if refused == 0 and totals[i] + ARGV[3 * i - 2] > tonumber(ARGV[3 * i - 1]) then refused = i end
end
if refused == 0 then
    for i, key in ipairs(KEYS) do
        totals[i] = redis.call('INCRBY', key, ARGV[3 * i - 2])
        if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[3 * i]) end
    end
end
return {refused, totals}
"""
_GRANT: Final = """
local total = tonumber(redis.call('GET', KEYS[1]) or 0)
local given = math.max(math.min(tonumber(ARGV[1]), ARGV[2] - total), 0)
if given > 0 then
    redis.call('INCRBY', KEYS[1], given)
    if redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
end
return {given, total + given}
"""
_ADD: Final = """
for i, key in ipairs(KEYS) do
    redis.call('INCRBY', key, ARGV[2 * i - 1])
    if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[2 * i]) end
end
"""
# KEYS: hashes of days. ARGV: seconds, then the place of a hash, a field and an amount for each.
_RECORD: Final = """
for i = 2, #ARGV, 3 do redis.call('HINCRBY', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2]) end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
"""
# A group is a sorted set of members by when they end.
_LINK: Final = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'GT', now + ARGV[1], ARGV[i]) end
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
"""


class RedisLedger(Ledger):
    """Counters are integers, days are hashes, groups are sorted sets; each with a time to live.

    A command that the link sends twice, because its connection broke, may count twice: a limit then ends
    that much early. Let Redis evict nothing of it (`noeviction`, or `volatile-lru` with memory to spare), or
    give the ledger a Redis of its own.
    """

    def __init__(self, link: RedisLink, *, owns_link: bool) -> None:
        self._link = link
        self._owns_link = owns_link

    async def take(self, takes: Sequence[Take]) -> Taken:
        """See `Ledger.take`."""
        bounds = [n for take in takes for n in (take.amount, take.limit, take.lasts_s)]
        refused, totals = await self._eval(_TAKE, [take.counter for take in takes], *bounds)
        return Taken(refused - 1 if refused else None, tuple(totals))

    async def grant(self, take: Take) -> Grant:
        """See `Ledger.grant`."""
        return Grant(*await self._eval(_GRANT, [take.counter], take.amount, take.limit, take.lasts_s))

    async def add(self, amounts: Sequence[Take]) -> None:
        """See `Ledger.add`."""
        if amounts:
            bounds = [n for amount in amounts for n in (amount.amount, amount.lasts_s)]
            await self._eval(_ADD, [amount.counter for amount in amounts], *bounds)

    async def read(self, counter: str) -> int:
        """See `Ledger.read`."""
        return int(await self._call("GET", _PREFIX + counter) or 0)

    async def record(self, lines: Mapping[Line, Counts]) -> None:
        """See `Ledger.record`."""
        days = sorted({line.day for line in lines})
        fields: list[str | int] = []
        for line, counts in lines.items():
            for name, amount in counts._asdict().items():
                if amount:
                    field = json.dumps([line.owner, line.model, line.prompt, name])
                    fields += [days.index(line.day) + 1, field, amount]
        if fields:
            await self._eval(_RECORD, [f"usage:{day}" for day in days], USAGE_DAYS * _DAY_S, *fields)

    async def usage(self, days: Sequence[str]) -> dict[Line, Counts]:
        """See `Ledger.usage`."""
        found: dict[Line, Counts] = {}
        for day in days:
            flat: list[bytes] = await self._call("HGETALL", f"{_PREFIX}usage:{day}")
            for field, amount in zip(flat[::2], flat[1::2], strict=True):
                owner, model, prompt, name = json.loads(field)
                line = Line(day, owner, model, prompt)
                found[line] = found.get(line, Counts())._replace(**{name: int(amount)})
        return found

    async def link(self, group: str, members: Sequence[str], lasts_s: int) -> None:
        """See `Ledger.link`."""
        for start in range(0, len(members), _MEMBERS_AT_ONCE):
            await self._eval(_LINK, [f"group:{group}"], lasts_s, *members[start : start + _MEMBERS_AT_ONCE])

    async def members(self, group: str) -> list[str]:
        """See `Ledger.members`; some may have ended lately."""
        found: list[bytes] = await self._call("ZRANGE", f"{_PREFIX}group:{group}", 0, -1)
        return [member.decode() for member in found]

    async def unlink(self, group: str, members: Sequence[str]) -> None:
        """See `Ledger.unlink`."""
        for start in range(0, len(members), _MEMBERS_AT_ONCE):
            await self._call("ZREM", f"{_PREFIX}group:{group}", *members[start : start + _MEMBERS_AT_ONCE])

    async def aclose(self) -> None:
        """Close the link, unless it is somebody else's."""
        if self._owns_link:
            await self._link.aclose()

    async def _eval(self, script: str, keys: Sequence[str], *arguments: str | int) -> Any:  # noqa: ANN401
        return await self._call("EVAL", script, len(keys), *(_PREFIX + key for key in keys), *arguments)

    async def _call(self, *command: str | int) -> Any:  # noqa: ANN401 - by command
        try:
            return await self._link.call(*command)
        except CommandFailedError as exc:
            raise LedgerError(str(exc)) from exc
