"""Every error that this package raises on purpose.

    StandfirstError
    ├── SettingError                a wrong environment variable; stops the start
    ├── RequestError                the caller can mend it
    │   ├── InvalidArticleError     empty, binary, or not text
    │   ├── ArticleTooLargeError    over a limit that the error names
    │   ├── UnknownPromptError      no such prompt, version or label
    │   ├── UnknownModelError       not a model of this installation
    │   ├── BatchNotFoundError      no such batch, or it is no longer kept
    │   ├── BatchConflictError      what the batch is, or is doing, does not allow that
    │   ├── BatchTooLargeError      over a limit that the error names
    │   ├── BadLinesError           lines of a batch are no requests; the error lists them
    │   ├── NotCachedError          `only-if-cached`, and there is no cached result
    │   └── PageError               a web page or document that gives no article
    │       ├── InvalidURLError         nothing that can be fetched: no http or https URL, credentials in it
    │       ├── BlockedAddressError     an address, port or host that may not be asked
    │       ├── FetchingOffError        this installation fetches nothing
    │       ├── PageNotFoundError       no such host, or no such page
    │       ├── PageRefusedError        the server wants a login, or does not serve us
    │       ├── PageFailedError         the server failed, or does not speak HTTP
    │       ├── PageUnreachableError    no connection
    │       ├── PageCertificateError    the server cannot prove that it is the one that was asked
    │       ├── PageTimeoutError        not whole in time, or too long to read
    │       ├── PageTooLargeError       over a limit, unpacked
    │       ├── PageTypeError           neither HTML, plain text nor PDF
    │       ├── PageRedirectError       sent on too often, or to nowhere
    │       ├── IntakeBusyError         too many pages wait already; `retry_after_s` is an estimate
    │       ├── NoArticleError          nothing in it that could be an article
    │       ├── PaywallError            only the beginning is to be had without paying
    │       └── ConsentWallError        a question about cookies stands in place of the article
    ├── PromptError                 a prompt template is broken; a mistake of ours
    │   └── PromptChangedError      a published version differs from the lock file
    ├── AnnexError                  the process that reads long articles died over one
    ├── StoreError                  a cache cannot be opened
    ├── JobStoreError               the database of batches does not answer, or cannot be used
    │   └── JobStoreFullError       there is no space left in it
    ├── RemovalError                what was to be removed may still stand somewhere
    ├── KeyFileError                the file of API keys cannot be used
    └── LLMError                    the model's side
        ├── LLMTimeoutError         no answer in time                          (retryable)
        │   └── LLMNoPlaceError     not even sent: others had all the places   (retryable)
        ├── LLMConnectionError      no connection, or it broke                 (retryable)
        ├── LLMRateLimitedError     429, with `retry_after_s` where told       (retryable)
        ├── LLMServerError          5xx                                        (retryable)
        ├── LLMResponseError        an answer that is not of the protocol      (retryable)
        ├── LLMAuthenticationError  401 or 403
        ├── LLMModelNotFoundError   404: the provider does not know the model
        ├── LLMRequestError         any other 4xx: the provider refused the request
        │   ├── LLMContextLengthError   the prompt is longer than the model's window
        │   └── LLMUnsupportedError     the server lacks a feature, such as JSON schemas
        ├── LLMBusyError            too much is under way here already; `retry_after_s` is an estimate
        ├── LLMUnavailableError     the endpoint failed too often and is left alone for `retry_after_s`
        ├── LLMSpentError           nobody may pay for the call now; nothing was sent
        │   ├── LLMBudgetError          the service's budget of the day is spent
        │   └── LLMLimitError           a caller's limit of tokens or cost is used up
        ├── LLMRefusalError         the model declined, or a content filter did
        └── LLMOutputError          an answer that cannot be read as a draft

Messages are written for the person who has to act on them. They never contain article text or secrets.
HTTP statuses are the business of `service.api`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SEND_THE_TEXT: Final = "send the article's text as `text`"


class StandfirstError(Exception):
    """Base of all errors raised on purpose."""


class SettingError(StandfirstError):
    """An environment variable has a value that cannot be used; `variable` is its name."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable


class RequestError(StandfirstError):
    """The caller can mend it; `field` is the request's field or header, `remedy` says what to do."""

    def __init__(self, message: str, *, field: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.remedy = remedy


class InvalidArticleError(RequestError):
    """The article is empty, or is not text."""


class ArticleTooLargeError(RequestError):
    """The article is over a limit; `limit` is that limit in `unit`s."""

    def __init__(self, message: str, *, limit: int, unit: str, remedy: str | None = None) -> None:
        super().__init__(message, field="text", remedy=remedy)
        self.limit = limit
        self.unit = unit


class UnknownPromptError(RequestError):
    """There is no prompt of that name, version or label."""


class UnknownModelError(RequestError):
    """This installation does not offer that model."""


class BatchNotFoundError(RequestError):
    """There is no batch of that id for this caller."""


class BatchConflictError(RequestError):
    """What the batch is, or is doing, does not allow what was asked."""


class BatchTooLargeError(RequestError):
    """The batch is over a limit; `limit` is that limit in `unit`s."""

    def __init__(self, message: str, *, limit: int, unit: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.limit = limit
        self.unit = unit


class BadLinesError(RequestError):
    """Lines of a batch are no requests, so that nothing was kept; `lines` says what is wrong with them."""

    def __init__(self, message: str, lines: Sequence[object]) -> None:
        super().__init__(message, remedy='send lines such as {"text": "…"}')
        self.lines = lines


class NotCachedError(RequestError):
    """The caller asked for a cached result only, and there is none."""


class PageError(RequestError):
    """A web page or document gives no article; `field` tells how it came, `url` or `html`."""

    def __init__(self, message: str, *, field: str | None = "url", remedy: str | None = None) -> None:
        super().__init__(message, field=field, remedy=remedy or SEND_THE_TEXT)


class InvalidURLError(PageError):
    """Nothing that can be fetched: no http or https URL, or one with credentials in it."""


class BlockedAddressError(PageError):
    """An address, port or host that may not be asked: not on the public internet, or barred by a setting."""


class FetchingOffError(PageError):
    """This installation fetches no pages."""


class PageNotFoundError(PageError):
    """There is no such host, or the server has no such page."""


class PageRefusedError(PageError):
    """The server wants a login, or does not serve this client."""


class PageFailedError(PageError):
    """The page's server failed, or broke the rules of HTTP."""


class PageUnreachableError(PageError):
    """No connection to the page's server could be made, or it broke."""


class PageCertificateError(PageError):
    """The page's server cannot prove that it is the one that was asked."""


class PageTimeoutError(PageError):
    """The page did not come in time, or takes too long to read."""


class PageTooLargeError(PageError):
    """The page or document is over a limit, as it is when unpacked."""


class PageTypeError(PageError):
    """The document is neither HTML, nor plain text, nor PDF."""


class PageRedirectError(PageError):
    """The page's server sends on too often, or to nowhere."""


class IntakeBusyError(PageError):
    """As many pages are read or waiting as this service allows; nothing was done."""

    def __init__(self, *, field: str, retry_after_s: float) -> None:
        super().__init__("too many pages wait to be read", field=field, remedy="send it again later")
        self.retry_after_s = retry_after_s


class NoArticleError(PageError):
    """Nothing in the page or document could be an article."""


class PaywallError(PageError):
    """Only the beginning of the article is to be had without paying."""


class ConsentWallError(PageError):
    """A question about cookies or privacy stands in place of the article."""


class PromptError(StandfirstError):
    """A prompt template is broken: front matter, syntax, or a variable that nobody gives."""


class PromptChangedError(PromptError):
    """A published prompt version differs from its digest in the lock file."""


class AnnexError(StandfirstError):
    """The process that reads long articles died over one, for want of memory perhaps."""


class StoreError(StandfirstError):
    """A store cannot be opened from its URL."""


class RemovalError(StandfirstError):
    """Results may still stand somewhere that cannot be reached now; removing them again mends that."""


class KeyFileError(StandfirstError):
    """The file of API keys cannot be read, written or changed as asked."""


class JobStoreError(StandfirstError):
    """The database of batches does not answer, or cannot be used."""


class JobStoreFullError(JobStoreError):
    """There is no space left in the database of batches."""


class LLMError(StandfirstError):
    """Something on the model's side; `retryable` tells whether the same call may succeed later.

    `retry_after_s` is how many seconds the provider asked to wait, or None where it did not say.
    """

    retryable = False

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LLMTimeoutError(LLMError):
    """No answer in time."""

    retryable = True


class LLMNoPlaceError(LLMTimeoutError):
    """No place became free in time; nothing was sent."""


class LLMConnectionError(LLMError):
    """No connection could be made, or it broke before the answer was whole."""

    retryable = True


class LLMRateLimitedError(LLMError):
    """The provider throttles (429)."""

    retryable = True


class LLMServerError(LLMError):
    """The provider failed (5xx)."""

    retryable = True


class LLMResponseError(LLMError):
    """An answer came that is not of the chat-completions protocol."""

    retryable = True


class LLMAuthenticationError(LLMError):
    """The provider does not accept the key (401, 403)."""


class LLMModelNotFoundError(LLMError):
    """The provider does not know the model (404)."""


class LLMRequestError(LLMError):
    """The provider refused the request (another 4xx)."""


class LLMContextLengthError(LLMRequestError):
    """Prompt and answer do not fit the model's context window."""


class LLMUnsupportedError(LLMRequestError):
    """The server lacks a feature that the request used, such as JSON schemas."""


class LLMBusyError(LLMError):
    """This service has as many calls under way or waiting as it allows; nothing was sent."""


class LLMUnavailableError(LLMError):
    """The endpoint failed too often and is left alone for a while; nothing was sent."""


class LLMSpentError(LLMError):
    """Nobody may pay for the call now; nothing was sent. If `final`, nothing stands in for the model."""

    def __init__(self, message: str, *, retry_after_s: float, final: bool) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.final = final


class LLMBudgetError(LLMSpentError):
    """The service's budget of the day is spent."""


class LLMLimitError(LLMSpentError):
    """The limit of tokens or cost of the caller `owner` is used up."""

    def __init__(self, message: str, *, retry_after_s: float, owner: str) -> None:
        super().__init__(message, retry_after_s=retry_after_s, final=True)
        self.owner = owner


class LLMRefusalError(LLMError):
    """The model declined to answer, or a content filter stopped it."""


class LLMOutputError(LLMError):
    """The model answered, but the answer cannot be read as a draft."""
