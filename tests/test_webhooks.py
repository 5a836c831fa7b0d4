"""Webhooks: signed, told again until they hear it, and only where the service may call."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import httpx
import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from service.addresses import AddressBook, AddressPolicy, parse_networks
from service.batches.deliveries import Deliveries
from service.batches.tables import BATCHES, DELIVERIES, open_database
from service.errors import SettingError
from service.webhooks import Attempt, Event, WebhookSender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: str

    @property
    def message(self) -> Any:
        """The body, whose signature holds."""
        return Webhook(SECRET).verify(self.body, self.headers)


class Receiver:
    """Somebody's server: answers with `replies` in turn, then with 204."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hook"
        self.replies: queue.Queue[tuple[int, dict[str, str], bytes]] = queue.Queue()
        self.received: queue.Queue[Received] = queue.Queue()

    def take(self) -> Received:
        """The next request."""
        return self.received.get(timeout=30)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            told.received.put(Received(self.path, dict(self.headers), body))
            status, headers, content = (204, {}, b"") if told.replies.empty() else told.replies.get()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = Receiver(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def sender_to(*ports: int) -> WebhookSender:
    policy = AddressPolicy(ports=ports, private_networks=parse_networks(["127.0.0.0/8"]))
    return WebhookSender(AddressBook(policy), SECRET)


async def test_request_carries_a_signature_that_the_library_accepts(receiver: Receiver) -> None:
    sender = sender_to(receiver.port)
    attempt = await sender.send(Event("msg_1", receiver.url, '{"café": 1}'))
    await sender.aclose()
    received = receiver.take()
    assert received.message == {"café": 1}
    assert received.headers["webhook-id"] == "msg_1"
    assert (attempt.verdict, attempt.status, attempt.problem) == ("delivered", 204, None)


@pytest.mark.parametrize(
    ("status", "headers", "verdict", "retry_after_s"),
    [
        (200, {}, "delivered", None),
        (410, {}, "never", None),
        (404, {}, "again", None),
        (302, {"location": "/elsewhere"}, "again", None),
        (503, {"retry-after": "90"}, "again", 90.0),
        (429, {"retry-after": "soon"}, "again", None),
    ],
)
async def test_status_decides_whether_to_try_again(
    receiver: Receiver, status: int, headers: dict[str, str], verdict: str, retry_after_s: float | None
) -> None:
    receiver.replies.put((status, headers, b"x" * 200_000))
    sender = sender_to(receiver.port)
    attempt = await sender.send(Event("msg_1", receiver.url, "{}"))
    await sender.aclose()
    assert (attempt.verdict, attempt.status, attempt.retry_after_s) == (verdict, status, retry_after_s)
    assert receiver.received.qsize() == 1  # a redirect is not followed


async def test_server_that_is_not_there_is_tried_again() -> None:
    with receiving() as gone:
        pass
    sender = sender_to(gone.port)
    attempt = await sender.send(Event("msg_1", gone.url, "{}"))
    await sender.aclose()
    assert (attempt.verdict, attempt.status, attempt.problem) == ("again", None, "no connection")


async def test_address_that_may_not_be_asked_is_never_connected_to(receiver: Receiver) -> None:
    sender = WebhookSender(AddressBook(AddressPolicy(ports=(receiver.port,))), SECRET)
    attempt = await sender.send(Event("msg_1", receiver.url, "{}"))
    await sender.aclose()
    assert attempt.verdict == "again"
    assert attempt.problem
    assert receiver.received.empty()


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é"])
def test_secret_of_another_form_stops_the_start(secret: str) -> None:
    with pytest.raises(SettingError, match="STANDFIRST_WEBHOOK_SECRET"):
        WebhookSender(AddressBook(AddressPolicy()), secret)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/jobs.sqlite3")
    with engine.begin() as connection:
        connection.execute(
            BATCHES.insert().values(
                id="b1",
                owner="local",
                state="completed",
                priority=1,
                created_at=1.0,
                touched_at=1.0,
                finished_at=2.0,
                webhook="https://desk.example/hook",
            )
        )
    yield engine
    engine.dispose()


def tried(verdict: str, retry_after_s: float | None = None) -> Attempt:
    return Attempt(datetime.now(UTC), verdict, 0.1, 500, retry_after_s=retry_after_s)  # type: ignore[arg-type]


def due_now(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(DELIVERIES).values(due_at=0.0))


def test_batch_that_ended_is_told_once_each_time_it_ends(engine: sa.Engine) -> None:
    deliveries = Deliveries(engine)
    assert (deliveries.note_ended(), deliveries.note_ended()) == (1, 0)
    with engine.begin() as connection:
        connection.execute(sa.update(BATCHES).values(finished_at=3.0))
    assert deliveries.note_ended() == 1
    first, second = deliveries.take(10, 60.0)
    assert first.id != second.id
    assert json.loads(first.body)["type"] == "batch.completed"
    assert deliveries.take(10, 60.0) == []  # somebody has them


def test_event_keeps_its_id_and_waits_longer_each_time(engine: sa.Engine) -> None:
    deliveries = Deliveries(engine)
    deliveries.note_ended()
    waited = []
    for number in range(10):
        [event] = deliveries.take(1, 60.0)
        before = datetime.now(UTC)
        deliveries.record(event.id, tried("again", retry_after_s=20.0 if number == 0 else None))
        [delivery] = deliveries.of("b1")
        assert delivery.id == event.id
        if delivery.next_at is not None:
            waited.append(round((delivery.next_at - before).total_seconds()))
        due_now(engine)
    assert waited == [20, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert (delivery.state, len(delivery.attempts)) == ("failed", 10)
    assert deliveries.take(1, 60.0) == []


def test_receiver_that_is_gone_for_good_is_not_told_again(engine: sa.Engine) -> None:
    deliveries = Deliveries(engine)
    deliveries.note_ended()
    [event] = deliveries.take(1, 60.0)
    deliveries.record(event.id, tried("never"))
    due_now(engine)
    assert deliveries.take(1, 60.0) == []
    assert deliveries.of("b1")[0].state == "failed"


def submit(client: httpx.Client, url: str) -> httpx.Response:
    line = json.dumps({"text": "The pier of Holm opened on Monday."})
    return client.post(
        "/v1/batches", params={"webhook": url}, content=line, headers={"Content-Type": "application/jsonl"}
    )


def test_completed_batch_tells_its_webhook_and_logs_it(
    serve: Callable[..., httpx.Client], receiver: Receiver
) -> None:
    client = serve(webhook_secret=SECRET, web_ports=(receiver.port,), web_private_networks=("127.0.0.0/8",))
    batch = submit(client, receiver.url).json()["batch"]
    message = receiver.take().message
    assert (message["type"], message["data"]["id"]) == ("batch.completed", batch["id"])
    assert message["data"]["counts"]["done"] == 1
    url = f"/v1/batches/{batch['id']}/deliveries"
    with client.stream(
        "GET", f"/v1/batches/{batch['id']}", headers={"Accept": "text/event-stream"}
    ) as events:
        assert "completed" in events.read().decode()
    logged = next(found for found in iter(lambda: client.get(url).json(), None) if found[0]["attempts"])
    assert [a["status"] for a in logged[0]["attempts"]] == [204]
    assert logged[0]["state"] == "delivered"


@pytest.mark.parametrize(
    ("settings", "url", "says"),
    [
        ({}, "https://desk.example/hook", "this service calls no webhooks"),
        ({"webhook_secret": SECRET}, "http://127.0.0.1/hook", "public internet"),
        ({"webhook_secret": SECRET}, "file:///etc/hook", "only http and https"),
    ],
)
def test_webhook_that_cannot_be_called_refuses_the_batch(
    serve: Callable[..., httpx.Client], settings: dict[str, str], url: str, says: str
) -> None:
    client = serve(**settings)
    answer = submit(client, url)
    assert answer.status_code == 422
    assert (answer.json()["field"], says in answer.json()["detail"]) == ("webhook", True), answer.text
    assert client.get("/v1/batches").json()["batches"] == []
