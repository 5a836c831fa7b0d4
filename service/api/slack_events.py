"""What Slack sends, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from litestar import Response, post
from litestar.status_codes import HTTP_200_OK

from service.api.access import OPEN
from service.api.bodies import ArticleRequest

_MOST_BYTES: Final = (
    500_000  # a message has 40,000 characters at most, and stands in an event two or three times
)


class SlackApp(Protocol):
    """Whoever answers Slack; it is `slack` in the application's state."""

    async def handle(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
        """Status, headers and body in answer to one request, whose signature has not been checked."""
        ...


# Slack signs its requests; it has no key.
@post(
    "/slack/events",
    opt=OPEN,
    status_code=HTTP_200_OK,
    request_class=ArticleRequest,
    request_max_body_size=_MOST_BYTES,
    include_in_schema=False,
)
async def receive_slack_events(request: ArticleRequest) -> Response[str]:
    """Commands, events, shortcuts and buttons, acknowledged at once."""
    app: SlackApp = request.app.state.slack
    status, headers, body = await app.handle(await request.body(), request.headers)
    media_type = headers.pop("content-type", "text/plain")
    return Response(body, status_code=status, headers=headers, media_type=media_type)
