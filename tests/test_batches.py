"""`/v1/batches` over real HTTP, on each database, before the mock LLM."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest

from bench.mock_llm import MockLLM, Reply
from service.settings import Settings
from tests.conftest import running

JSONL = {"Content-Type": "application/jsonl"}


@pytest.fixture(scope="module")
def mock() -> Iterator[MockLLM]:
    with MockLLM() as mock:
        yield mock


@pytest.fixture(scope="module")
def started(jobs_url: str, mock: MockLLM, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("cache")
    settings = Settings(
        openai_base_url=mock.base_url,
        cache_url=f"sqlite:///{folder}/cache.sqlite3",
        jobs_url=jobs_url,
        llm_attempts=1,
        batch_concurrency=2,
        batch_max_articles=50,
        max_article_bytes=20_000,
    )
    with running(settings) as client:
        yield client


@pytest.fixture
def client(started: httpx.Client, mock: MockLLM) -> httpx.Client:
    mock.reset()
    return started


_numbers = iter(range(1, 1_000_000))


def article(**more: object) -> dict[str, object]:
    """An article that no other test has sent."""
    text = (
        f"Ferry {next(_numbers)} was late on Tuesday. “Nobody told us anything,” said Ada Holm at the pier."
    )
    return {"text": text, **more}


def jsonl(lines: Iterable[object]) -> bytes:
    return b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)


def submit(client: httpx.Client, lines: Iterable[object], query: str = "", **headers: str) -> Any:
    response = client.post(f"/v1/batches{query}", content=jsonl(lines), headers=JSONL | headers)
    assert response.status_code in (200, 201), response.text
    return response.json()


def follow(client: httpx.Client, batch: Any) -> Iterator[Any]:
    """The batch whenever it moves on, until it has ended."""
    url = f"/v1/batches/{batch['id']}"
    with client.stream("GET", url, headers={"Accept": "text/event-stream"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def finished(client: httpx.Client, batch: Any) -> Any:
    return list(follow(client, batch))[-1]


def reached(client: httpx.Client, batch: Any, **wanted: object) -> Any:
    return next(b for b in follow(client, batch) if all(b[name] == value for name, value in wanted.items()))


def results(client: httpx.Client, batch: Any, after: int = 0) -> list[Any]:
    response = client.get(f"/v1/batches/{batch['id']}/results", params={"after": after})
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


def listed(client: httpx.Client) -> list[str]:
    return [batch["id"] for batch in client.get("/v1/batches", params={"limit": 100}).json()["batches"]]


def test_results_come_in_the_order_of_the_lines(client: httpx.Client) -> None:
    lines = [article(custom_id=f"story-{n}", article_id=f"cms-{n}") for n in range(5)]
    batch = finished(client, submit(client, lines, "?style=bullets")["batch"])
    assert (batch["state"], batch["counts"]["done"], batch["counts"]["under_way"]) == ("completed", 5, 0)
    found = results(client, batch)
    assert [r["custom_id"] for r in found] == [line["custom_id"] for line in lines]
    assert [r["line"] for r in found] == [1, 2, 3, 4, 5]
    assert {r["summary"]["style"] for r in found} == {"bullets"}
    assert [r["summary"]["article_id"] for r in found] == [line["article_id"] for line in lines]
    assert results(client, batch, after=3) == found[3:]


def test_a_line_overrules_the_query(client: httpx.Client) -> None:
    lines = [article(style="standfirst"), article()]
    batch = finished(client, submit(client, lines, "?style=bullets")["batch"])
    assert [r["summary"]["style"] for r in results(client, batch)] == ["standfirst", "bullets"]


def test_equal_articles_are_paid_for_once(client: httpx.Client, mock: MockLLM) -> None:
    one, two = article(), article()
    client.post("/v1/summaries", json=two)
    batch = finished(client, submit(client, [one, one, two, one])["batch"])
    assert (batch["counts"]["done"], batch["counts"]["cached"]) == (4, 3)
    assert (mock.stats.calls, batch["usage"]["llm_calls"]) == (2, 1)
    again = finished(client, submit(client, [two, one])["batch"])
    assert (again["counts"]["cached"], again["usage"]["cost_usd"], mock.stats.calls) == (2, 0.0, 2)


def test_bad_lines_are_told_by_number_and_refuse_no_good_ones(client: httpx.Client) -> None:
    same = article(custom_id="same")
    lines: list[object] = [
        *(article(), b"", b"no json", {"title": "no text"}, article(styl="brief"), article(style="epic")),
        *(b'{"text": "caf\xe9"}', same, {**article(), "custom_id": "same"}, [1], article(model="unknown")),
        *({"text": "long " * 5000}, {"text": " "}, b'{"text": "half \\ud83d"}'),
    ]
    receipt = submit(client, lines)
    errors = {error["line"]: error["message"] for error in receipt["errors"]}
    assert sorted(errors) == [3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14]
    assert "JSON" in errors[3]
    assert "text" in errors[4]
    assert "styl" in errors[5]
    assert "UTF-8" in errors[7]
    assert "custom_id" in errors[9]
    assert "model" in errors[11]
    assert "20000 bytes" in errors[12]
    batch = finished(client, receipt["batch"])
    assert (batch["counts"]["total"], batch["counts"]["done"], batch["counts"]["invalid"]) == (2, 2, 11)
    statuses = {r["line"]: r["status"] for r in results(client, batch)}
    assert [line for line, status in statuses.items() if status == "done"] == [1, 8]
    assert [line for line, status in statuses.items() if status == "invalid"] == sorted(errors)


def test_strict_keeps_nothing_of_a_batch_with_a_bad_line(client: httpx.Client, mock: MockLLM) -> None:
    before = listed(client)
    response = client.post(
        "/v1/batches?strict=true", content=jsonl([article(), b"no", article(), b"json"]), headers=JSONL
    )
    assert response.status_code == 422
    assert response.json()["type"] == "urn:standfirst:problem:bad-lines"
    assert [error["line"] for error in response.json()["errors"]] == [2, 4]
    assert (listed(client), mock.stats.calls) == (before, 0)


@pytest.mark.parametrize(
    ("body", "headers", "query", "status"),
    [
        (b"", JSONL, "", 422),
        (b"\n\n \n", JSONL, "", 422),
        (b"no\njson", JSONL, "", 422),
        (b"[]", {"Content-Type": "application/json"}, "", 422),
        (b'{"text": "x"}', {"Content-Type": "application/json"}, "", 400),
        (b"x", {"Content-Type": "multipart/form-data"}, "", 415),
        (b"x", JSONL | {"Content-Encoding": "gzip"}, "", 415),
        (b'{"text": "x"}', JSONL, "?priority=urgent", 422),
        (b'{"text": "x"}', JSONL, "?max_cost_usd=-1", 422),
        (b'{"text": "x"}', JSONL, "?nonsense=1", 422),
        (b'{"text": "x"}', JSONL, "?style=brief&style=brief", 422),
        (b'{"text": "x"}', JSONL | {"Idempotency-Key": "k" * 256}, "", 422),
        (b'{"text": "x"}\n' * 51, JSONL, "", 413),
    ],
)
def test_what_is_no_batch_is_refused_and_leaves_nothing(
    client: httpx.Client, body: bytes, headers: dict[str, str], query: str, status: int
) -> None:
    before = listed(client)
    response = client.post(f"/v1/batches{query}", content=body, headers=headers)
    assert response.status_code == status, response.text
    assert response.json()["type"].startswith("urn:standfirst:problem:")
    assert listed(client) == before


def test_a_line_far_too_long_is_passed_over(client: httpx.Client) -> None:
    receipt = submit(client, [article(), b'{"text": "' + b"x" * 3_000_000 + b'"}', article()])
    assert [(e["line"], "over" in e["message"]) for e in receipt["errors"]] == [(2, True)]
    assert finished(client, receipt["batch"])["counts"]["done"] == 2


def test_a_list_is_a_batch_too(client: httpx.Client) -> None:
    response = client.post("/v1/batches", json=[article(), {"text": 3}, article()])
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/batches/{response.json()['batch']['id']}"
    assert [error["line"] for error in response.json()["errors"]] == [2]
    assert [r["status"] for r in results(client, finished(client, response.json()["batch"]))] == [
        *("done", "invalid", "done")
    ]


def test_unknown_fields_may_be_left_aside(client: httpx.Client) -> None:
    receipt = submit(client, [article(publisher="Tarn Post", url=None)], "?ignore_unknown=true")
    assert finished(client, receipt["batch"])["counts"]["done"] == 1


def test_cancelling_begins_no_more_and_keeps_what_is_under_way(client: httpx.Client, mock: MockLLM) -> None:
    mock.configure(first_token_s=0.5)
    batch = submit(client, [article() for _ in range(10)])["batch"]
    mock.wait_until(lambda stats: stats.in_flight == 2)
    cancelled = client.delete(f"/v1/batches/{batch['id']}").json()
    assert cancelled["state"] == "cancelled"
    counts = finished(client, batch)["counts"]
    assert (counts["done"], counts["cancelled"], counts["waiting"], counts["under_way"]) == (2, 8, 0, 0)
    assert [r["status"] for r in results(client, batch)] == ["done", "done"]
    assert mock.stats.calls == 2
    assert client.post(f"/v1/batches/{batch['id']}/retry").status_code == 409


def test_budget_stops_a_batch_and_raising_it_lets_it_go_on(client: httpx.Client, mock: MockLLM) -> None:
    estimate = submit(client, [article()], "?dry_run=true")
    batch = submit(client, [article() for _ in range(6)], f"?max_cost_usd={estimate['cost_usd'] * 2.5:.9f}")[
        "batch"
    ]
    paused = reached(client, batch, state="paused")
    done = paused["counts"]["done"]
    assert 0 < done < 6
    assert paused["next_line"] == done + 1
    assert paused["usage"]["cost_usd"] <= paused["max_cost_usd"]
    assert mock.stats.calls == done
    assert len(results(client, batch)) == done
    raised = client.patch(f"/v1/batches/{batch['id']}", json={"max_cost_usd": 1})
    assert raised.json()["state"] == "running"
    assert finished(client, batch)["counts"]["done"] == 6
    assert mock.stats.calls == 6


def test_dry_run_estimates_and_touches_nothing(client: httpx.Client, mock: MockLLM) -> None:
    before = listed(client)
    lines = [article(), b"no json", article(model="extractive"), article()]
    estimate = submit(client, lines, "?dry_run=true")
    assert (estimate["articles"], estimate["invalid"]) == (3, 1)
    assert (listed(client), mock.stats.calls) == (before, 0)
    batch = finished(client, submit(client, lines)["batch"])
    spent, guessed = batch["usage"]["input_tokens"], estimate["input_tokens"]
    assert spent / 2 < guessed < spent * 2
    assert batch["usage"]["cost_usd"] < estimate["cost_usd"]


def test_an_article_that_fails_fails_alone_and_can_be_retried(client: httpx.Client, mock: MockLLM) -> None:
    mock.script(Reply(kind="refusal"))
    batch = finished(client, submit(client, [article() for _ in range(3)])["batch"])
    assert (batch["state"], batch["counts"]["done"], batch["counts"]["failed"]) == ("completed", 2, 1)
    (error,) = [r["error"] for r in results(client, batch) if r["status"] == "failed"]
    assert error == {"code": "llm-refusal", "message": "the model declined to answer"}
    assert client.post(f"/v1/batches/{batch['id']}/retry").json()["counts"]["failed"] == 0
    batch = finished(client, batch)
    assert (batch["state"], batch["counts"]["done"], batch["counts"]["failed"]) == ("completed", 3, 0)
    assert mock.stats.calls == 4


def test_a_provider_that_throttles_slows_down_and_fails_nothing(client: httpx.Client, mock: MockLLM) -> None:
    throttled = Reply(kind="status", status=429, headers={"retry-after": "0"})
    mock.script(*[throttled] * 6)
    batch = submit(client, [article() for _ in range(3)])["batch"]
    seen = list(follow(client, batch))
    assert any(b["held_up"] == "the model's provider throttles" for b in seen)
    assert (seen[-1]["counts"]["done"], seen[-1]["counts"]["failed"]) == (3, 0)
    assert seen[-1]["held_up"] is None


def test_the_same_key_finds_the_same_batch(client: httpx.Client, mock: MockLLM) -> None:
    lines = [article(), b"no json"]
    key = {"Idempotency-Key": f"key-{next(_numbers)}"}
    first = submit(client, lines, **key)
    again = client.post("/v1/batches", content=jsonl(lines), headers=JSONL | key)
    assert again.status_code == 200
    assert (again.json()["batch"]["id"], again.json()["repeated"]) == (first["batch"]["id"], True)
    assert [error["line"] for error in again.json()["errors"]] == [2]
    other = client.post("/v1/batches", content=jsonl([article()]), headers=JSONL | key)
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
    finished(client, first["batch"])
    assert mock.stats.calls == 1


def test_two_at_once_with_one_key_are_one_batch(client: httpx.Client) -> None:
    lines, key = [article() for _ in range(20)], {"Idempotency-Key": f"key-{next(_numbers)}"}
    answers: list[httpx.Response] = []
    before = listed(client)

    def send() -> None:
        answers.append(client.post("/v1/batches", content=jsonl(lines), headers=JSONL | key))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert [answer.status_code for answer in answers].count(201) == 1
    (new,) = set(listed(client)) - set(before)
    finished(client, {"id": new})


def test_batches_are_listed_by_page_the_newest_first(client: httpx.Client) -> None:
    made = [submit(client, [article(model="extractive")])["batch"]["id"] for _ in range(3)]
    first = client.get("/v1/batches?limit=2").json()
    assert [batch["id"] for batch in first["batches"]] == made[:0:-1]
    second = client.get("/v1/batches", params={"limit": 1, "before": first["next"]}).json()
    assert [batch["id"] for batch in second["batches"]] == made[:1]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/results"), ("DELETE", ""), ("POST", "/retry"), ("PATCH", "")],
)
def test_an_unknown_batch_is_not_found(client: httpx.Client, method: str, path: str) -> None:
    body = {"max_cost_usd": 1} if method == "PATCH" else None
    response = client.request(method, f"/v1/batches/batch_unknown{path}", json=body)
    assert (response.status_code, response.json()["type"]) == (404, "urn:standfirst:problem:not-found")


def test_an_upload_that_breaks_off_leaves_nothing(client: httpx.Client) -> None:
    before = listed(client)

    def broken() -> Iterator[bytes]:
        yield jsonl([article()]) + b"\n"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        client.post("/v1/batches", content=broken(), headers=JSONL)
    assert listed(client) == before
