"""The embedded LLM as an `LLM`, on the server that `local_llm` keeps running."""

from __future__ import annotations

from service.llm import ChatReply, ChatRequest
from service.local_llm import MODEL, LocalLLMServer
from service.openai_llm import OpenAILLM


class EmbeddedLLM:
    """The embedded LLM as an `LLM`: waits until its server is ready, then asks it."""

    def __init__(self, server: LocalLLMServer) -> None:
        self._server = server
        self._llm: OpenAILLM | None = None

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        await self._server.wait_ready(request.timeout_s)
        if self._llm is None:
            self._llm = OpenAILLM(
                self._server.base_url, self._server.api_key, structured_output={MODEL: "none"}
            )
        return await self._llm.complete(request)

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        if self._llm is not None:
            await self._llm.aclose()
