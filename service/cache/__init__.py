"""Keys, stores and single flight: nothing is paid for twice.

A store implements Litestar's `Store`. `open_store` picks one by URL, and `open_flights` the single flight
that goes with it; another backend is one more scheme there and one more subclass of `CacheStore`.
"""

from service.cache.base import CacheStore
from service.cache.flight import Flights, SingleFlight
from service.cache.keys import cache_key
from service.cache.layered import Layered
from service.cache.memory import MemoryStore
from service.cache.observed import ObservedStore, StoreUse
from service.cache.sqlite import SQLiteStore
from service.cache.urls import open_flights, open_store

__all__ = [
    "CacheStore",
    "Flights",
    "Layered",
    "MemoryStore",
    "ObservedStore",
    "SQLiteStore",
    "SingleFlight",
    "StoreUse",
    "cache_key",
    "open_flights",
    "open_store",
]
