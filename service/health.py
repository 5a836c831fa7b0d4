"""Whether the service of these settings answers: `python -m service.health`, for containers.

It imports next to nothing, since a container asks every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
from contextlib import closing

from service.errors import SettingError
from service.settings import Settings

_TIMEOUT_S = 3


def fault(settings: Settings) -> str | None:
    """Why the service of `settings` on this machine is not well, or None if it is."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared
    try:
        with closing(http.client.HTTPConnection(host, settings.port, timeout=_TIMEOUT_S)) as connection:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        return f"no answer from port {settings.port}: {type(exc).__name__}"
    return None if status == http.client.OK else f"port {settings.port} answers with {status}"


def main() -> str | None:
    """What `sys.exit` takes: the fault, which it writes to standard error, or None."""
    try:
        return fault(Settings.from_env(os.environ))
    except SettingError as exc:
        return str(exc)


if __name__ == "__main__":
    sys.exit(main())
