from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from service.app import create_app
from service.callers import ALL_SCOPES, Limits, Scope
from service.errors import SettingError
from service.keys import create
from service.settings import Settings
from tests.conftest import running

ARTICLE = {"text": "The harbour was closed on Tuesday."}
# Everybody may call these; any other route that should be among them needs a reason.
OPEN_PATHS = {"/healthz", "/readyz", "/slack/events"}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def token(keys_file: Path) -> Callable[..., str]:
    """Makes a key with the given scopes."""
    made: dict[frozenset[Scope], str] = {}

    def make(*scopes: Scope) -> str:
        kinds = frozenset(scopes)
        if kinds not in made:
            made[kinds] = create(keys_file, "-".join(sorted(kinds)) or "none", scopes, Limits())[1]
        return made[kinds]

    make(*ALL_SCOPES), make(), make("summaries"), make("purge")
    return make


@pytest.fixture(scope="module")
def closed(keys_file: Path, token: Callable[..., str]) -> Iterator[httpx.Client]:
    """A client of a service that wants keys."""
    del token
    with running(Settings(model="extractive", cache_url="memory://", keys_file=str(keys_file))) as client:
        yield client


@pytest.fixture(scope="module")
def browsed() -> Iterator[httpx.Client]:
    """A client of a service without keys whose pages are at https://cms.example."""
    settings = Settings(model="extractive", cache_url="memory://", cors_origins=("https://cms.example",))
    with running(settings) as client:
        yield client


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.partition("/schema")[0] == ""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_key_lets_in(closed: httpx.Client, token: Callable[..., str]) -> None:
    assert closed.post("/v1/summaries", json=ARTICLE, headers=bearer(token("summaries"))).status_code == 200


def test_scheme_is_read_in_any_case(closed: httpx.Client, token: Callable[..., str]) -> None:
    headers = {"Authorization": f"bEARER  {token('summaries')}"}
    assert closed.get("/v1/prompts", headers=headers).status_code == 200


def test_without_a_key_the_answer_is_401_with_a_challenge(closed: httpx.Client) -> None:
    answer = closed.post("/v1/summaries", json=ARTICLE)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="standfirst"'
    assert answer.json()["type"] == "urn:standfirst:problem:key-required"


@pytest.mark.parametrize("header", ["Basic eDp5", "Bearer", "Bearer sf_x_y", "Bearer \xff", "sf_1_2"])
def test_with_a_wrong_key_the_challenge_says_so(closed: httpx.Client, header: str) -> None:
    answer = closed.get("/v1/prompts", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_missing_scope_is_403_and_is_named(closed: httpx.Client, token: Callable[..., str]) -> None:
    answer = closed.delete("/v1/summaries/x", headers=bearer(token("summaries")))
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="purge"' in answer.headers["WWW-Authenticate"]
    assert closed.delete("/v1/summaries/x", headers=bearer(token("purge"))).status_code == 404


def test_key_is_asked_for_before_the_body_is_read(closed: httpx.Client) -> None:
    assert closed.post("/v1/summaries", content=b"no JSON at all").status_code == 401


def test_no_answer_repeats_a_key(closed: httpx.Client) -> None:
    assert "marker" not in closed.get("/v1/prompts", headers=bearer("sf_marker_marker")).text


def test_every_route_wants_a_key_or_is_known_to_be_open(keys_file: Path, token: Callable[..., str]) -> None:
    del token
    app = create_app(Settings(model="extractive", cache_url="memory://", keys_file=str(keys_file)))
    for route in app.routes:
        for handler in route.route_handlers if hasattr(route, "route_handlers") else [route.route_handler]:
            access = handler.opt.get("access", "any")
            if isinstance(handler, HTTPRouteHandler) and handler.http_methods == {"OPTIONS"}:
                continue
            assert access in {"any", *ALL_SCOPES} or _is_open(route.path), route.path


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/schema"])
def test_probes_and_the_document_are_open(closed: httpx.Client, path: str) -> None:
    assert closed.get(path).status_code == 200


def test_document_says_that_calls_need_a_key(closed: httpx.Client, extractive: httpx.Client) -> None:
    document = closed.get("/schema").json()
    assert document["security"] == [{"key": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == [{}]
    assert "security" not in extractive.get("/schema").json()


def test_words_of_a_problem_are_for_callers_with_a_key(
    keys_file: Path, token: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings = Settings(
        model="extractive", cache_url=f"sqlite:///{tmp_path}/file/cache.sqlite3", keys_file=str(keys_file)
    )
    with running(settings) as client:
        headers = bearer(token(*ALL_SCOPES))
        client.post("/v1/summaries", json=ARTICLE, headers=headers)
        assert client.get("/readyz").json()["problems"]["cache"] == "ask with a key to see why"
        assert str(tmp_path) in client.get("/readyz", headers=headers).json()["problems"]["cache"]


def test_page_of_another_site_may_not_call_a_service_without_keys(browsed: httpx.Client) -> None:
    # A browser sends this one without asking first, as it takes it for a form.
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    answer = browsed.post("/v1/summaries", content=ARTICLE["text"], headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:standfirst:problem:origin-refused"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["null", "https://cms.example.evil.example", "http://cms.example"])
def test_origins_are_compared_as_a_whole(browsed: httpx.Client, origin: str) -> None:
    assert browsed.post("/v1/summaries", json=ARTICLE, headers={"Origin": origin}).status_code == 403


def test_page_of_an_allowed_origin_may_call(browsed: httpx.Client) -> None:
    asked = {"Origin": "https://cms.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type"
    may = browsed.options("/v1/summaries", headers=asked)
    assert may.headers["Access-Control-Allow-Origin"] == "https://cms.example"
    assert "authorization" in may.headers["Access-Control-Allow-Headers"].lower()
    answer = browsed.post("/v1/summaries", json=ARTICLE, headers={"Origin": "https://cms.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://cms.example"
    assert "Cache-Status" in answer.headers["Access-Control-Expose-Headers"]


def test_browsers_are_told_nothing_by_default(extractive: httpx.Client) -> None:
    asked = {"Origin": "https://cms.example", "Access-Control-Request-Method": "POST"}
    answer = extractive.options("/v1/summaries", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/v1/summaries/x", "/schema"])
def test_every_response_is_hardened(extractive: httpx.Client, path: str) -> None:
    headers = extractive.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "service.example"])  # noqa: S104
def test_service_that_others_reach_does_not_start_without_keys(host: str) -> None:
    with pytest.raises(SettingError, match="STANDFIRST_HOST: other machines can call"):
        create_app(Settings(host=host, model="extractive", cache_url="memory://"))
    create_app(Settings(host=host, model="extractive", cache_url="memory://", insecure=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_service_on_loopback_starts_without_keys(host: str) -> None:
    create_app(Settings(host=host, model="extractive", cache_url="memory://"))


def test_key_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="standfirst keys create NAME"):
        create_app(Settings(model="extractive", cache_url="memory://", keys_file=str(tmp_path / "no")))


def test_command_refuses_and_takes_insecure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {
            "PATH": "/usr/bin",
            "STANDFIRST_HOST": "0.0.0.0",  # noqa: S104
            "STANDFIRST_PORT": port,
            "STANDFIRST_MODEL": "extractive",
            "STANDFIRST_CACHE_URL": "memory://",
            "HOME": str(tmp_path),
        }
        command = [sys.executable, "-c", "from service.cli import main; main()", "serve"]
        refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        # What it comes to with the flag is a port that somebody else has.
        started = subprocess.run(
            [*command, "--insecure"], env=environment, capture_output=True, text=True, check=False
        )
    assert refused.returncode == 2
    assert "STANDFIRST_INSECURE=yes" in refused.stderr
    assert "address already in use" in started.stderr
