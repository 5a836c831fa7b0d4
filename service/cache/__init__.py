"""Keys, stores and single flight: nothing is paid for twice.

A store implements Litestar's `Store`. `open_store` picks one by URL; another backend is one more scheme there
and one more subclass of `CacheStore`.
"""

from service.cache.base import CacheStore
from service.cache.flight import SingleFlight
from service.cache.keys import cache_key
from service.cache.memory import MemoryStore
from service.cache.sqlite import SQLiteStore
from service.cache.urls import open_store

__all__ = ["CacheStore", "MemoryStore", "SQLiteStore", "SingleFlight", "cache_key", "open_store"]
