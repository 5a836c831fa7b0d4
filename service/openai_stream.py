"""An answer in pieces, put together: what the OpenAI protocol streams (`chat.completion.chunk`)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from service.errors import LLMConnectionError, LLMError, LLMResponseError
from service.llm import ChatReply, FinishReason, TextListener, TokenUsage
from service.provider_errors import error_of_status

DONE: Final = b"[DONE]"
_NO_STATUS: Final = 500  # for an error in the midst of a stream that brings none


class PromptTokensDetails(Struct):
    """A part of `CompletionUsage`."""

    cached_tokens: int | None = None


class CompletionUsage(Struct):
    """Tokens as the protocol counts them."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: PromptTokensDetails | None = None


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    delta: _Delta | None = None
    message: _Delta | None = None  # of a server that does not stream, and so answers with one piece
    finish_reason: str | None = None


class _Fault(Struct):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class _Chunk(Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: CompletionUsage | None = None
    error: _Fault | str | None = None


_decoder = msgspec.json.Decoder(_Chunk)


class StreamedReply:
    """Takes the pieces of one answer, tells `listener` of their text, and gives the whole in the end."""

    def __init__(self, listener: TextListener) -> None:
        self._listener = listener
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._model: str | None = None
        self._usage: CompletionUsage | None = None
        self._done = False

    def add(self, data: bytes) -> None:
        """Take one piece.

        Raises:
            LLMResponseError: it is not of the protocol.
            LLMError: the server says that it has failed.
        """
        if data == DONE:
            self._done = True
            return
        try:
            chunk = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise LLMResponseError("the provider streamed something other than a chat completion") from exc
        if chunk.error is not None:
            raise _error(chunk.error)
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        for choice in (chunk.choices or ())[:1]:
            self._finish = choice.finish_reason or self._finish
            said = choice.delta or choice.message or _Delta()
            if said.refusal:
                self._refusal.append(said.refusal)
            if said.content:
                self._text.append(said.content)
                self._listener.add(said.content)

    def reply(self, model: str) -> ChatReply:
        """The whole answer of `model`, or of the one that the server names.

        Raises:
            LLMConnectionError: the stream broke off.
            LLMResponseError: there was no answer in it.
        """
        if self._finish is None and not self._done:
            raise LLMConnectionError("the provider's answer broke off")
        if self._finish is None and not self._text and not self._refusal:
            raise LLMResponseError("the provider's answer holds no choice")
        return ChatReply(
            text="".join(self._text or self._refusal),
            finish_reason=read_finish_reason(self._finish, refused=bool(self._refusal)),
            model=self._model or model,
            usage=read_usage(self._usage),
        )


def read_finish_reason(reason: str | None, *, refused: bool) -> FinishReason:
    """Why an answer ended, where all but three reasons count as a good end."""
    if refused:
        return "refusal"
    if reason == "length":
        return "length"
    return "content_filter" if reason == "content_filter" else "stop"


def read_usage(usage: CompletionUsage | None) -> TokenUsage | None:
    """The tokens in our words."""
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return TokenUsage(
        input_tokens=usage.prompt_tokens,
        cached_input_tokens=(details.cached_tokens or 0) if details else 0,
        output_tokens=usage.completion_tokens,
    )


def _error(fault: _Fault | str) -> LLMError:
    """The error for one that comes in the stream, where the status has been 200 already."""
    if isinstance(fault, str):
        return error_of_status(_NO_STATUS, (), fault.lower(), {})
    status = fault.code if isinstance(fault.code, int) and 400 <= fault.code < 600 else _NO_STATUS
    codes = [code for code in (fault.code, fault.type) if isinstance(code, str)]
    if "rate_limit_exceeded" in codes:
        status = 429
    return error_of_status(status, codes, (fault.message or "").lower(), {})
