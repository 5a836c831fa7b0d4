"""Chat completions: the `LLM` type that the pipeline calls, and what it is asked and answers."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from service.catalogue import Sampling
from service.models import Message

FinishReason: TypeAlias = Literal["stop", "length", "refusal", "content_filter"]
Priority: TypeAlias = Literal["interactive", "batch"]


class OutputSchema(Struct, frozen=True, kw_only=True):
    """A JSON schema that the answer has to follow; `name` identifies it to the provider."""

    name: str
    schema: dict[str, object]


class TextListener(Protocol):
    """Who hears an answer while it is being written; both methods return at once."""

    def begin(self) -> None:
        """An answer begins; what was heard of an earlier one is void."""
        ...

    def add(self, text: str) -> None:
        """The answer goes on with `text`."""
        ...


class ChatRequest(Struct, frozen=True, kw_only=True):
    """One chat completion to ask for; `extra` holds sampling parameters that only some servers know.

    `timeout_s` is for the whole call, from the connection to the last byte of the answer. `priority` and
    `input_tokens`, an estimate, are for limits on the way and change nothing in the answer. `listener` hears
    the text of the answer as it comes, where the server can send it so; the reply is the same.
    """

    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int
    timeout_s: float
    temperature: float | None = None
    seed: int | None = None
    output_schema: OutputSchema | None = None
    extra: dict[str, Sampling] = {}
    priority: Priority = "interactive"
    input_tokens: int | None = None
    listener: TextListener | None = None


class TokenUsage(Struct, frozen=True, kw_only=True):
    """Tokens as the provider counted them; the cached ones are part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


class ChatReply(Struct, frozen=True, kw_only=True):
    """What the model answered; `usage` is None where the server did not count."""

    text: str
    finish_reason: FinishReason
    model: str
    usage: TokenUsage | None


class LLM(Protocol):
    """A source of chat completions; wrappers such as `Retrying` are LLMs around LLMs."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Answer `request`.

        A refusal and a cut answer are replies with that `finish_reason`, not errors.

        Raises:
            LLMError: one of its subclasses, for everything that goes wrong.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections; the LLM cannot be used afterwards."""
        ...
