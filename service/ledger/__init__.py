"""What has been used: counters with limits, usage by day, and which results belong to what.

Unlike a cache it must not forget: a lost counter would be a limit that does not hold. `open_ledger` picks a
backend by URL.
"""

from service.ledger.base import Counts, Grant, Ledger, LedgerError, Line, Take, Taken
from service.ledger.memory import MemoryLedger
from service.ledger.steady import SteadyLedger
from service.ledger.urls import open_ledger

__all__ = [
    "Counts",
    "Grant",
    "Ledger",
    "LedgerError",
    "Line",
    "MemoryLedger",
    "SteadyLedger",
    "Take",
    "Taken",
    "open_ledger",
]
