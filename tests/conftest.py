from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.mock_llm import MockLLM


@pytest.fixture
def mock_llm() -> Iterator[MockLLM]:
    """An OpenAI-compatible server on loopback; `base_url`, `script`, `configure`, `requests` and `stats`."""
    with MockLLM() as mock:
        yield mock
