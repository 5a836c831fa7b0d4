"""What an article will cost, guessed before anybody is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from service.batches.models import BatchLine
from service.catalogue import ModelInfo, cost_usd
from service.models import Usage
from service.tokens import count_tokens, get_encoding

# The answer's sentences, ids and quotes. The mock LLM takes 145 for a news article; budgets want more.
_ANSWER_TOKENS = 400
_TOKENS_PER_BYTE = 0.25
_USUAL_BYTES = 5_000
_MARKUP = 8  # how many times as long as its article a page is
_SAMPLES = 20
_EVERY = 16
_SAMPLE_CHARACTERS = 5_000


class Guess(NamedTuple):
    """Tokens and cost of one article; `cost_usd` is None where the model's price is not known."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class Estimator:
    """Guesses tokens from bytes, by a ratio that it measures on some of the articles of a batch.

    Args:
        info: What is known of a model, None for one that is not asked.
        prompt_tokens: Tokens of the prompt that goes with an article.
    """

    def __init__(self, info: Callable[[str | None], ModelInfo | None], prompt_tokens: int) -> None:
        self._info = info
        self._prompt_tokens = prompt_tokens
        self._seen = 0
        self._bytes = 0
        self._tokens = 0

    def guess(self, line: BatchLine) -> Guess:
        """Guess one article; of one that is behind a link, the usual length."""
        info = self._info(line.model)
        if info is None:
            return Guess(0, 0, 0.0)
        text = line.text if line.text is not None else (line.html or "")
        self._seen += 1
        if text and (self._seen <= _SAMPLES or self._seen % _EVERY == 0):
            sample = text[:_SAMPLE_CHARACTERS]
            self._bytes += len(sample.encode())
            self._tokens += count_tokens(sample, get_encoding(info.encoding))
        ratio = self._tokens / self._bytes if self._bytes else _TOKENS_PER_BYTE
        size = len(text.encode()) // (1 if line.html is None else _MARKUP) or _USUAL_BYTES
        read = round(size * ratio) + self._prompt_tokens
        usage = Usage(llm_calls=1, input_tokens=read, output_tokens=_ANSWER_TOKENS)
        return Guess(read, _ANSWER_TOKENS, cost_usd(info, usage))
