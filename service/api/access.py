"""Who may ask: API keys as bearer tokens (RFC 6750), their scopes, and calls from browsers."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from service import callers
from service.api.hardening import MORE_HEADERS
from service.callers import LOCAL, Caller
from service.errors import StandfirstError
from service.keys import KeyRing
from service.limits import RequestLimits

OPEN: Final = {"access": "open"}
"""`opt` of a route that everybody may call."""
ANY_KEY: Final = {"access": "any"}
"""`opt` of a route that every key may call; so may one that has no `opt`."""

_REMEDY: Final = "send `Authorization: Bearer` with a key that `standfirst keys create` made"


class AccessError(StandfirstError):
    """A request that may not be made; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class KeyRequiredError(AccessError):
    """No key came with the request, or none that is accepted; `challenge` is for `WWW-Authenticate`."""

    def __init__(self, message: str, *, given: bool) -> None:
        super().__init__(message, _REMEDY)
        self.challenge = 'Bearer realm="standfirst"' + (', error="invalid_token"' if given else "")


class ScopeMissingError(AccessError):
    """The key may not do this; `challenge` is for `WWW-Authenticate`."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this needs the scope {scope}, which the key has not", "use a key that has it")
        self.challenge = f'Bearer realm="standfirst", error="insufficient_scope", scope="{scope}"'


class OriginRefusedError(AccessError):
    """A page of another site calls; where nobody needs a key, nothing else would hold it back."""

    def __init__(self) -> None:
        super().__init__("pages of this origin may not call", "name the origin in STANDFIRST_CORS_ORIGINS")


class TooManyRequestsError(AccessError):
    """The key's limit of requests is used up."""

    def __init__(self, limit: str, retry_after_s: float) -> None:
        super().__init__(f"the key's limit of {limit} is used up", "send fewer, or wait")
        self.retry_after_s = retry_after_s


def needs(scope: callers.Scope) -> dict[str, str]:
    """`opt` of a route that takes keys with that scope."""
    return {"access": scope}


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """The caller of a request; a dependency called `caller` gives it to any handler.

    Handlers on the way of a cache hit call this instead: for two dependencies Litestar starts a task group.
    """
    caller: Caller = request.scope.get("user") or LOCAL
    return caller


class Gate:
    """Middleware: lets a request in, before its body is read, if its caller may make it.

    It sets `scope["user"]` to the caller; on open routes to None where no key that is accepted came along.

    Args:
        limits: How many requests callers may make.
        keys: The keys; None lets everybody in as `LOCAL`, but for pages of origins that are not allowed.
        origins: Origins whose pages may call.
    """

    def __init__(self, keys: KeyRing | None, limits: RequestLimits, origins: tuple[str, ...]) -> None:
        self._keys = keys
        self._limits = limits
        self._origins = {origin.encode() for origin in origins}

    def __call__(self, app: ASGIApp) -> ASGIApp:
        """`app` behind the gate."""

        async def gate(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP and scope["method"] != HttpMethod.OPTIONS:
                caller = self._let_in(scope)
                if caller is not None and (verdict := await self._limits.admit(caller)):
                    scope[MORE_HEADERS] = verdict.headers  # type: ignore[typeddict-unknown-key]
                    if verdict.retry_after_s is not None:
                        raise TooManyRequestsError(verdict.limit, verdict.retry_after_s)
            await app(scope, receive, send)

        return gate

    def _let_in(self, scope: Scope) -> Caller | None:
        """The caller, who may make the request; None on an open route, whose requests are not counted."""
        access = scope["route_handler"].opt.get("access", "any")
        if self._keys is None:
            self._check_origin(scope, access)
            scope["user"] = LOCAL
            return None
        found = self._identify(self._keys, scope)
        if access == "open":
            scope["user"] = found if isinstance(found, Caller) else None
            return None
        if not isinstance(found, Caller):
            raise found
        if access != "any" and access not in found.scopes:
            raise ScopeMissingError(access)
        scope["user"] = found
        return found

    def _identify(self, keys: KeyRing, scope: Scope) -> Caller | KeyRequiredError:
        for name, value in scope["headers"]:
            if name == b"authorization":
                scheme, _, token = value.partition(b" ")
                if scheme.lower() != b"bearer":
                    return KeyRequiredError("this kind of authorization is not read here", given=True)
                found = keys.find(token.strip().decode("latin-1"))
                if isinstance(found, Caller):
                    return found
                return KeyRequiredError(found.reason, given=True)
        return KeyRequiredError("this needs a key", given=False)

    def _check_origin(self, scope: Scope, access: str) -> None:
        if access == "open" or b"*" in self._origins:
            return
        for name, value in scope["headers"]:
            if name == b"origin" and value not in self._origins:
                raise OriginRefusedError
