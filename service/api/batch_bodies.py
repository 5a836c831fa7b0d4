"""Batches as they arrive: lines of a body that is never held as a whole, and their options in the query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request
from msgspec import UNSET, Meta, Struct, UnsetType

from service.api.bodies import MalformedBodyError, SlowBodyError, UnsupportedMediaTypeError, explain
from service.api.departures import caller_gone
from service.batches import RawLine, Submission, split_lines
from service.batches.models import BatchPriority
from service.errors import BatchTooLargeError, RequestError
from service.models import LanguageTag, MaxQuotes, ModelName, Policy, PromptName, Style

JSONL = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines", "application/x-jsonl")
LONGEST_KEY = 255
_LONGEST_LIST = 16 << 20


class BatchQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """What a query may say: options for the lines that do not name them, and of the batch itself."""

    style: Style | UnsetType = UNSET
    max_quotes: MaxQuotes | UnsetType = UNSET
    language: LanguageTag | UnsetType = UNSET
    prompt: PromptName | UnsetType = UNSET
    model: ModelName | UnsetType = UNSET
    policy: Policy | UnsetType = UNSET
    webhook: Annotated[str, Meta(max_length=2000)] | None = None
    priority: BatchPriority = "normal"
    max_cost_usd: Annotated[float, Meta(gt=0)] | None = None
    dry_run: bool = False
    strict: bool = False
    ignore_unknown: bool = False

    def submission(self, owner: str, idempotency_key: str | None) -> Submission:
        """The submission that the query describes."""
        named = msgspec.to_builtins(self)
        options = ("style", "max_quotes", "language", "prompt", "model", "policy")
        return Submission(
            owner=owner,
            defaults={name: named[name] for name in options if name in named},
            webhook=self.webhook,
            priority=self.priority,
            max_cost_usd=self.max_cost_usd,
            strict=self.strict,
            ignore_unknown=self.ignore_unknown,
            idempotency_key=idempotency_key,
        )


class BatchRequest(Request[Any, Any, Any]):
    """A request whose body is a batch."""

    def read_query(self) -> BatchQuery:
        """The query; raises RequestError."""
        options: dict[str, str] = {}
        for name, value in self.query_params.multi_items():
            if name in options:
                raise RequestError(f"{name} is given twice", field=name, remedy="give it once")
            options[name] = value
        try:
            return msgspec.convert(options, BatchQuery, strict=False)
        except msgspec.ValidationError as exc:
            raise explain(exc, BatchQuery) from exc

    def read_key(self) -> str | None:
        """The `Idempotency-Key`, without the quotation marks that its draft wants; raises RequestError."""
        key = self.headers.get("Idempotency-Key")
        if key is None:
            return None
        key = key.strip().strip('"')
        if not 0 < len(key) <= LONGEST_KEY:
            raise RequestError(
                f"the key is empty, or over {LONGEST_KEY} characters",
                field="Idempotency-Key",
                remedy="send a new random one with each batch, such as a UUID",
            )
        return key

    def read_lines(self, longest: int) -> AsyncIterator[Sequence[RawLine]]:
        """The body's lines, or the items of the list that it is.

        Raises:
            UnsupportedMediaTypeError: the body is neither.
        """
        media_type, _ = self.content_type
        if "content-encoding" in self.headers:
            raise UnsupportedMediaTypeError(
                "compressed bodies are not read", field="Content-Encoding", remedy="send it uncompressed"
            )
        if media_type == "application/json":
            return self._items()
        if media_type in (*JSONL, "text/plain", ""):
            return split_lines(self._chunks(), longest)
        raise UnsupportedMediaTypeError(
            "a body of this media type cannot be read as a batch",
            field="Content-Type",
            remedy="send application/jsonl, one object a line, or a list as application/json",
        )

    async def _chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, however long that takes as long as it does not pause.

        Raises:
            SlowBodyError: it paused for longer than the settings allow.
            HTTPException: the caller has gone.
        """
        limit = self.app.state.assembly.settings.body_s
        more = True
        while more:
            try:
                async with asyncio.timeout(limit):
                    message = await self.receive()
            except TimeoutError as exc:
                raise SlowBodyError(
                    f"nothing more of the body came within {limit:g} s", remedy="send it again"
                ) from exc
            if message["type"] != "http.request":
                raise caller_gone()
            more = message.get("more_body", False)
            yield message["body"]

    async def _items(self) -> AsyncIterator[Sequence[RawLine]]:
        """The items of a list, each as a line of its own number."""
        body = bytearray()
        async for chunk in self._chunks():
            body += chunk
            if len(body) > _LONGEST_LIST:
                raise BatchTooLargeError(
                    "a list this long would have to be held as a whole",
                    limit=_LONGEST_LIST,
                    unit="byte",
                    remedy="send application/jsonl, one object a line",
                )
        try:
            items = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise MalformedBodyError(
                "the body is no list in JSON", remedy='send [{"text": "…"}], or application/jsonl'
            ) from exc
        yield [RawLine(number, bytes(item)) for number, item in enumerate(items, 1)]
