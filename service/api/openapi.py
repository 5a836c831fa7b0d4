"""What the OpenAPI document says beyond what the handlers' types tell."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    License,
    OpenAPIMediaType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType
from msgspec import Struct

from service import __version__
from service.api.access import OPEN
from service.api.problems import MEDIA_TYPE


class Problem(Struct, kw_only=True):
    """Problem details (RFC 9457); `type` is stable."""

    type: str
    title: str
    status: int
    detail: str | None = None
    field: str | None = None
    remedy: str | None = None


@dataclass
class ArticleOperation(Operation):
    """An operation that takes an article as JSON, as plain text or as a web page."""

    def __post_init__(self) -> None:
        """Add the plain text to the JSON that the handler's type tells."""
        content = getattr(self.request_body, "content", None)
        if content is not None:
            text = Schema(type=OpenAPIType.STRING, min_length=1, description="Options stand in the query.")
            content["text/plain"] = content["text/html"] = OpenAPIMediaType(schema=text)


@dataclass
class SummaryOperation(ArticleOperation):
    """An operation that takes an article and the header fields that say how to answer."""

    def __post_init__(self) -> None:
        """Add the header fields, which the handler reads by itself."""
        super().__post_init__()
        self.parameters = [
            Parameter("Cache-Control", "header", Schema(type=OpenAPIType.STRING), description=_CACHE_CONTROL),
            Parameter("Accept", "header", Schema(type=OpenAPIType.STRING), description=_ACCEPT),
        ]
        content = getattr((self.responses or {}).get("200"), "content", None)
        if content is not None:
            content["text/event-stream"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@dataclass
class BatchOperation(Operation):
    """An operation that takes a batch, which the handler reads by itself."""

    def __post_init__(self) -> None:
        """Add body, query and header field."""
        lines = Schema(type=OpenAPIType.STRING, description="One object a line, as in the list.")
        items = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.OBJECT, required=["text"]))
        self.request_body = RequestBody(
            required=True,
            content={
                "application/jsonl": OpenAPIMediaType(schema=lines),
                "application/json": OpenAPIMediaType(schema=items),
            },
        )
        self.parameters = [
            *(
                Parameter(name, "query", Schema(type=kind), description=description)
                for name, (kind, description) in _BATCH_QUERY.items()
            ),
            Parameter(
                "Idempotency-Key",
                "header",
                Schema(type=OpenAPIType.STRING, min_length=1, max_length=255),
                description="Submitting again under the same key finds the first batch",
            ),
        ]


_OPTION = "For lines that do not say"
_BATCH_QUERY = {
    "style": (OpenAPIType.STRING, _OPTION),
    "max_quotes": (OpenAPIType.INTEGER, _OPTION),
    "language": (OpenAPIType.STRING, _OPTION),
    "prompt": (OpenAPIType.STRING, _OPTION),
    "model": (OpenAPIType.STRING, _OPTION),
    "policy": (OpenAPIType.STRING, _OPTION),
    "priority": (OpenAPIType.STRING, "`high`, `normal` or `low`: which of your batches go first"),
    "max_cost_usd": (OpenAPIType.NUMBER, "The batch stops before it costs more; raise it to go on"),
    "webhook": (
        OpenAPIType.STRING,
        "URL that is told, signed, when the batch has completed or was cancelled",
    ),
    "dry_run": (OpenAPIType.BOOLEAN, "Only say what the batch would come to"),
    "strict": (OpenAPIType.BOOLEAN, "Refuse all lines if one is no request"),
    "ignore_unknown": (OpenAPIType.BOOLEAN, "Leave aside fields of a line that a request has not"),
}
_CACHE_CONTROL = "`no-cache`: do it again. `no-store`: keep nothing. `only-if-cached`: do not make it"
_ACCEPT = "`text/event-stream`: server-sent events while it is made; see docs/api.md"


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problem responses of an operation, by status, with those of whoever may not make the request."""
    return {
        status: ResponseSpec(
            Problem, generate_examples=False, description=_MEANINGS[status], media_type=MEDIA_TYPE
        )
        for status in sorted({*statuses, 401, 403, 429})
    }


_MEANINGS = {
    400: "The body cannot be read",
    401: "A key is needed, and none came that is accepted",
    403: "The key may not do this, or the page of this origin",
    404: "There is no such thing",
    408: "The body did not arrive in time",
    413: "The body or the article is over its limit",
    409: "What the batch is, or is doing, does not allow that",
    415: "The body's media type is not supported",
    422: "A field has a value that cannot be used",
    429: "The key's limits are used up; `Retry-After` says for how long",
    502: "The model failed, and there is no fallback",
    503: "The model cannot be reached now, and there is no fallback",
    507: "There is no space left for batches",
    504: "No cached result for `only-if-cached`, or the model did not answer in time",
}

_SENTENCE = "The Harborview council voted 7-2 on Tuesday to close the Marsh Lane bridge for nine months."
ARTICLE_EXAMPLES = [
    Example(
        summary="A short report",
        value={
            "text": (
                f"HARBORVIEW — {_SENTENCE}"
                "\n\n"
                "“We cannot ask people to drive over rust,” said Mayor Ines Roth."
            ),
            "title": "Harborview to close bridge",
            "style": "brief",
            "max_quotes": 3,
        },
    )
]
SUMMARY_EXAMPLES = [
    Example(
        summary="A summary with one quote",
        value={
            "id": "5f0c…",
            "summary": _SENTENCE,
            "sentences": [
                {
                    "text": _SENTENCE,
                    "support": "facts_found",
                    "evidence": [{"start": 13, "end": 93}],
                    "unsupported": [],
                    "not_checked": ["wording"],
                }
            ],
            "key_quotes": [
                {
                    "text": "We cannot ask people to drive over rust,",
                    "start": 96,
                    "end": 136,
                    "kind": "quotation",
                    "speaker": {"name": "Ines Roth", "start": 149, "end": 158},
                    "attribution": "agreed",
                    "other_speaker": None,
                }
            ],
        },
    )
]

_SCHEME = SecurityScheme(
    type="http", scheme="bearer", bearer_format="sf_…", description="A key that `standfirst keys` made"
)


def openapi_config(*, keys: bool) -> OpenAPIConfig:
    """The document's frame; with `keys`, it says that calls need one. Everybody may read it."""
    return OpenAPIConfig(
        title="Standfirst",
        version=__version__,
        description="Summaries and key quotes of news articles, checked against the article.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        render_plugins=[JsonRenderPlugin(path="/")],
        use_handler_docstrings=True,
        openapi_router=Router("/schema", route_handlers=[], opt=OPEN, include_in_schema=False),
        security=[{"key": []}] if keys else None,
        components=Components(security_schemes={"key": _SCHEME}),
    )
