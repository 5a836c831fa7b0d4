"""Errors as problem details (RFC 9457): the only place that knows HTTP statuses."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from service.api.access import (
    AccessError,
    KeyRequiredError,
    OriginRefusedError,
    ScopeMissingError,
    TooManyRequestsError,
)
from service.api.bodies import MalformedBodyError, SlowBodyError, UnsupportedMediaTypeError
from service.api.departures import stopping
from service.errors import (
    ArticleTooLargeError,
    BadLinesError,
    BatchConflictError,
    BatchNotFoundError,
    BatchTooLargeError,
    BlockedAddressError,
    ConsentWallError,
    FetchingOffError,
    IntakeBusyError,
    InvalidArticleError,
    InvalidURLError,
    JobStoreError,
    JobStoreFullError,
    LLMBudgetError,
    LLMBusyError,
    LLMConnectionError,
    LLMError,
    LLMLimitError,
    LLMRateLimitedError,
    LLMSpentError,
    LLMTimeoutError,
    LLMUnavailableError,
    NotCachedError,
    PageCertificateError,
    PageError,
    PageFailedError,
    PageNotFoundError,
    PageRedirectError,
    PageRefusedError,
    PageTimeoutError,
    PageTooLargeError,
    PageTypeError,
    PageUnreachableError,
    PaywallError,
    RemovalError,
    RequestError,
    StandfirstError,
    UnknownModelError,
    UnknownPromptError,
)

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:standfirst:problem:"
# Names and messages may hold what was sent: an answer is no place to repeat an article, nor a log of answers.
_LONGEST = {"field": 80, "detail": 200}
_log = logging.getLogger(__name__)


class _Kind(NamedTuple):
    status: int
    name: str
    title: str


# The first class that an error is an instance of decides.
_KINDS: dict[type[StandfirstError], _Kind] = {
    ArticleTooLargeError: _Kind(413, "article-too-large", "The article is too large"),
    InvalidArticleError: _Kind(422, "invalid-article", "The article cannot be used"),
    UnknownModelError: _Kind(422, "unknown-model", "There is no such model"),
    UnknownPromptError: _Kind(422, "unknown-prompt", "There is no such prompt"),
    NotCachedError: _Kind(504, "not-cached", "There is no cached result"),
    MalformedBodyError: _Kind(400, "malformed-request", "The request cannot be read"),
    UnsupportedMediaTypeError: _Kind(415, "unsupported-media-type", "This media type is not supported"),
    SlowBodyError: _Kind(408, "slow-body", "The request took too long to arrive"),
    KeyRequiredError: _Kind(401, "key-required", "A key is needed"),
    ScopeMissingError: _Kind(403, "scope-missing", "The key may not do this"),
    OriginRefusedError: _Kind(403, "origin-refused", "Pages of this origin may not call"),
    InvalidURLError: _Kind(422, "invalid-url", "The URL cannot be fetched"),
    BlockedAddressError: _Kind(422, "blocked-address", "This address may not be asked"),
    FetchingOffError: _Kind(422, "fetching-off", "Pages are not fetched here"),
    PageNotFoundError: _Kind(422, "page-not-found", "There is no such page"),
    PageRefusedError: _Kind(422, "page-refused", "The page's server does not serve it"),
    PageFailedError: _Kind(502, "page-failed", "The page's server failed"),
    PageUnreachableError: _Kind(502, "page-unreachable", "The page's server cannot be reached"),
    PageCertificateError: _Kind(502, "page-certificate", "The page's server cannot be trusted"),
    PageTimeoutError: _Kind(504, "page-timeout", "The page took too long"),
    PageTooLargeError: _Kind(413, "page-too-large", "The page is too large"),
    PageTypeError: _Kind(422, "page-type", "The document cannot be read"),
    PageRedirectError: _Kind(502, "page-redirect", "The page's server sends elsewhere"),
    IntakeBusyError: _Kind(503, "intake-busy", "Too many pages wait to be read"),
    PaywallError: _Kind(422, "paywall", "The article is behind a paywall"),
    ConsentWallError: _Kind(422, "consent-wall", "A consent question hides the article"),
    PageError: _Kind(422, "no-article", "There is no article in the page"),
    BatchNotFoundError: _Kind(404, "not-found", "There is nothing here"),
    BatchConflictError: _Kind(409, "conflict", "The batch does not allow that"),
    BatchTooLargeError: _Kind(413, "batch-too-large", "The batch is too large"),
    BadLinesError: _Kind(422, "bad-lines", "Lines of the batch cannot be used"),
    TooManyRequestsError: _Kind(429, "too-many-requests", "The key's limit of requests is used up"),
    RemovalError: _Kind(503, "removal-incomplete", "Results may still stand somewhere"),
    RequestError: _Kind(422, "invalid-request", "The request cannot be used"),
    LLMBudgetError: _Kind(503, "budget-spent", "Today's budget is spent"),
    LLMLimitError: _Kind(429, "limit-used-up", "The key's limit of tokens or cost is used up"),
    LLMRateLimitedError: _Kind(503, "model-throttled", "The model's provider is throttling"),
    LLMTimeoutError: _Kind(504, "model-timeout", "The model did not answer in time"),
    LLMBusyError: _Kind(503, "model-busy", "Too many requests wait for the model"),
    LLMUnavailableError: _Kind(503, "model-unavailable", "The model's server has failed and is left alone"),
    LLMConnectionError: _Kind(503, "model-unreachable", "The model cannot be reached"),
    LLMError: _Kind(502, "model-failed", "The model failed"),
    JobStoreFullError: _Kind(507, "storage-full", "There is no space left for batches"),
    JobStoreError: _Kind(503, "batches-unavailable", "Batches cannot be reached now"),
    StandfirstError: _Kind(500, "internal", "The service failed"),
}
_HTTP_NAMES = {
    400: ("malformed-request", "The request cannot be read"),
    404: ("not-found", "There is nothing here"),
    405: ("method-not-allowed", "This method is not allowed here"),
    413: ("body-too-large", "The request body is too large"),
    415: ("unsupported-media-type", "This media type is not supported"),
    503: ("stopping", "The service is stopping"),
}


PROBLEM_NAMES = frozenset(
    [kind.name for kind in _KINDS.values()] + [name for name, _ in _HTTP_NAMES.values()]
)
"""What the types of problems end in; docs/api.md explains each."""


def problem(status: int, name: str, title: str, members: Mapping[str, object]) -> Response[dict[str, object]]:
    """A problem-details response; members that are None are left out, and long ones cut."""
    body: dict[str, object] = {"type": _PREFIX + name, "title": title, "status": status}
    body |= {key: _cut(key, value) for key, value in members.items() if value is not None}
    headers = {}
    if isinstance(retry_after_s := members.get("retry_after_s"), (int, float)):
        headers["Retry-After"] = str(math.ceil(retry_after_s))
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _cut(member: str, value: object) -> object:
    return value[: _LONGEST.get(member)] if isinstance(value, str) else value


def handle_standfirst_error(
    request: Request[Any, Any, Any], error: StandfirstError
) -> Response[dict[str, object]]:
    """An error of our own, whose message was written for the caller."""
    kind = next(kind for cls, kind in _KINDS.items() if isinstance(error, cls))
    expected = isinstance(error, RequestError | LLMSpentError)
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not expected:
        _log_place(request, error)
    members: dict[str, object] = {"detail": str(error)}
    if isinstance(error, RequestError):
        members |= {"field": error.field, "remedy": error.remedy}
    if isinstance(error, AccessError):
        members["remedy"] = error.remedy
    if isinstance(error, ArticleTooLargeError | BatchTooLargeError):
        members |= {"limit": error.limit, "unit": error.unit}
    if isinstance(error, BadLinesError):
        members["errors"] = msgspec.to_builtins(error.lines)
    if isinstance(error, LLMError | IntakeBusyError | TooManyRequestsError):
        members["retry_after_s"] = error.retry_after_s
    response = problem(kind.status, kind.name, kind.title, members)
    if isinstance(error, KeyRequiredError | ScopeMissingError):
        response.headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, SlowBodyError | BatchTooLargeError):
        response.headers["Connection"] = "close"  # what is left of the body would be read as the next request
    return response


def handle_http_exception(
    request: Request[Any, Any, Any], error: HTTPException
) -> Response[dict[str, object]]:
    """An error of the framework: an unknown path, a wrong method, a parameter that does not fit."""
    if isinstance(error, ValidationException):
        return _handle_validation(request, error)
    name, title = _HTTP_NAMES.get(error.status_code, ("http-error", error.detail))
    detail, limit = error.detail, None
    if error.status_code == 413:
        limit = request.app.request_max_body_size
        detail = f"A request body may have {limit} bytes."
    elif error.status_code == 405:
        detail = f"Allowed here: {(error.headers or {}).get('allow')}."
    elif detail == HTTPStatus(404).phrase:
        detail = "No route has this path."
    response = problem(error.status_code, name, title, {"detail": detail, "limit": limit})
    response.headers.update(error.headers or {})
    return response


def _handle_validation(
    request: Request[Any, Any, Any], error: ValidationException
) -> Response[dict[str, object]]:
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    field, message = first.get("key"), first.get("message") or error.detail
    if field == "data":
        plain = request.content_type[0] == "text/plain"
        remedy = "send the article's text" if plain else 'send JSON such as {"text": "…"}'
        members = {"detail": "the body is empty", "remedy": remedy}
        return problem(400, "malformed-request", "The request cannot be read", members)
    return problem(422, "invalid-request", "The request cannot be used", {"detail": message, "field": field})


def handle_unexpected(request: Request[Any, Any, Any], error: BaseException) -> Response[dict[str, object]]:
    """A mistake of ours."""
    _log_place(request, error)
    return problem(500, "internal", "The service failed", {"detail": "This is a fault of the service."})


def to_problem(request: Request[Any, Any, Any], error: BaseException) -> bytes:
    """The problem details of any error, as JSON, for where it cannot be a response any more."""
    if isinstance(error, StandfirstError):
        response = handle_standfirst_error(request, error)
    elif isinstance(error, asyncio.CancelledError):
        response = handle_http_exception(request, stopping())
    else:
        response = handle_unexpected(request, error)
    return msgspec.json.encode(response.content)


def _log_place(request: Request[Any, Any, Any], error: BaseException) -> None:
    """Log an error by its class and place, never by its text, which may quote the article."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}" if place else "?"
    _log.error("%s at %s while answering %s", type(error).__name__, where, request.route_handler)
