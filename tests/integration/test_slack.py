"""Slack over real HTTP: what somebody types or clicks, against a stand-in for Slack, as it is seen there."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bench.mock_llm import MockLLM, Reply
from bench.page_server import PageServer
from bench.slack_screen import PING
from bench.slack_standin import APP_TOKEN, BOT, SlackStandIn, sign
from service.app import create_app
from service.errors import SettingError
from service.settings import Secret, Settings
from tests.conftest import running

ARTICLE = (
    "TARNMOUTH — The harbour board of Tarnmouth voted 6-1 on Thursday to spend 4.2 million crowns on a new"
    " lifeboat station. Work starts in March and takes two years.\n\n"
    "“We have buried too many fishermen to haggle over a boathouse,” said Odile Brandt, who chairs the board."
)
QUOTE = "> We have buried too many fishermen to haggle over a boathouse,\n— Odile Brandt"
DONE = "article@1 ·"
JSON = "application/json"
BROADSHEET = (Path(__file__).parents[1] / "pages" / "broadsheet.html").read_text(encoding="utf-8")
SMALL_WINDOW = "[small]\ncontext_window = 6000\nmax_output_tokens = 400\ntoken_factor = 1.0\n"

Serve = Callable[..., httpx.Client]


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as made:
        yield made


@pytest.fixture
def start(slack: SlackStandIn, serve: Serve) -> Serve:
    """Starts the service for the stand-in, and connects them."""

    def connected(**changes: object) -> httpx.Client:
        client = serve(**slack.settings(**changes))
        slack.connect(str(client.base_url))
        return client

    return connected


@pytest.fixture(scope="module")
def _office() -> Iterator[SlackStandIn]:
    with MockLLM() as mock, SlackStandIn() as slack:
        own: Any = slack.settings(openai_base_url=mock.base_url, cache_url="memory://", llm_attempts=1)
        with running(Settings(**own)) as client:
            slack.connect(str(client.base_url))
            yield slack


@pytest.fixture
def desk(_office: SlackStandIn) -> SlackStandIn:
    """A workspace that a service answers in, without a message."""
    _office.reset()
    return _office


def test_command_is_acknowledged_and_then_answered(desk: SlackStandIn) -> None:
    answer = desk.command(ARTICLE)
    screen = desk.wait_for(DONE)

    assert (answer.status_code, answer.json()["text"]) == (200, "Reading your text …")
    assert len(desk.seen()) == 2
    assert "Standfirst (only visible to you)\nSummary of your text\n" in screen
    assert QUOTE in screen


def test_answer_to_a_command_is_for_the_asker_alone(desk: SlackStandIn) -> None:
    desk.command(ARTICLE)
    desk.wait_for(DONE)
    assert desk.seen(by="U2") == []


def test_public_answer_is_a_message_of_the_channel(desk: SlackStandIn) -> None:
    answer = desk.command(f"{ARTICLE} public")
    desk.wait_for(DONE)

    assert answer.content == b""
    (message,) = desk.seen(by="U2")
    assert message["history"] == ["Reading your text …"]


def test_public_answer_reaches_a_channel_that_the_bot_is_not_in(desk: SlackStandIn) -> None:
    desk.members["C2"] = {"U1"}
    desk.command(f"{ARTICLE} public", channel="C2")
    desk.wait_for(DONE, "C2")
    (message,) = desk.seen("C2", by="U2")
    assert DONE in str(message["blocks"])


def test_help_is_answered_at_once(desk: SlackStandIn) -> None:
    assert "/standfirst with a link" in desk.command("help").json()["text"]


def test_unknown_option_is_answered_with_what_to_say(desk: SlackStandIn) -> None:
    assert (
        "after a link, say brief, standfirst, bullets"
        in desk.command("https://a.example shorty").json()["text"]
    )


def test_mention_is_answered_in_its_thread(desk: SlackStandIn) -> None:
    event = desk.mention(f"bullets {ARTICLE}")["event"]
    screen = desk.wait_for(DONE)

    (message,) = desk.seen(by="U2")
    assert message["thread_ts"] == event["ts"]
    assert message["history"] == ["Reading your text …"]
    assert "    • Work starts in March" in screen


def test_mention_with_nothing_to_read_is_answered_with_help(desk: SlackStandIn) -> None:
    desk.mention("hello")
    assert "mention me with a link" in desk.wait_for("I turn an article into a summary")


def test_bot_that_mentions_the_bot_is_not_answered(desk: SlackStandIn) -> None:
    event = {
        "type": "app_mention",
        "channel": "C1",
        "ts": "1.0",
        "text": ARTICLE,
        "bot_id": "B2",
        "user": "U9",
    }
    answer = desk.send_event({"type": "event_callback", "team_id": "T1", "event_id": "Ev0", "event": event})
    desk.mention("help")
    desk.wait_for("I turn an article")

    assert answer.status_code == 200
    assert len(desk.seen()) == 1


@pytest.fixture
def pages() -> Iterator[PageServer]:
    with PageServer() as server:
        yield server


@pytest.fixture
def reader(slack: SlackStandIn, start: Serve, pages: PageServer) -> SlackStandIn:
    """A workspace whose service may fetch from the page server."""
    start(web_ports=(pages.port,), web_private_networks=("127.0.0.1/32",))
    return slack


@pytest.mark.parametrize("way", ["command", "mention", "shortcut"])
def test_link_is_read_and_its_headline_shown(reader: SlackStandIn, pages: PageServer, way: str) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    if way == "command":
        reader.command(f"{url} bullets")
    elif way == "mention":
        reader.mention(f"<{url}> bullets")
    else:
        reader.shortcut("summarize", reader.say(f"Have you seen this? <{url}|lifeboat>"))
    screen = reader.wait_for(DONE)

    assert f"Tarnmouth council votes to keep its lifeboat <{url}>" in screen
    assert ("•" in screen) == (way != "shortcut")


def test_evidence_of_a_link_is_shown_as_it_was_read(reader: SlackStandIn, pages: PageServer) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    reader.command(url)
    reader.wait_for(DONE)
    message = reader.answer()
    reader.press(message, "Show evidence")
    reader.wait_for("- in the article word for word -")
    pages.add("/lifeboat", BROADSHEET.replace("lifeboat", "ferry"))
    reader.press(message, "Show evidence")
    reader.wait_for("This summary is no longer kept, or its article has changed; ask anew.")


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ("", 404, "; check the URL."),
        ("", 401, "; paste the article's text instead."),
        ("<p>We value your privacy.</p>", 200, "; paste the article's text instead."),
    ],
)
def test_page_without_an_article_is_said_in_a_sentence(
    reader: SlackStandIn, pages: PageServer, body: str, status: int, sentence: str
) -> None:
    reader.command(pages.add("/gone", body, status))
    screen = reader.wait_for(sentence)
    assert len(screen.strip().split("\n\n")[-1].splitlines()) == 2


def test_message_is_summarized_by_its_menu(desk: SlackStandIn) -> None:
    message = desk.say(ARTICLE)
    assert desk.shortcut("summarize", message).content == b""
    assert QUOTE in desk.wait_for(DONE)


def test_message_without_words_is_answered_with_what_to_do(desk: SlackStandIn) -> None:
    desk.shortcut("summarize", desk.say("", files=[{"name": "scan.png"}]))
    desk.wait_for("This message has no text and no link; choose one that has.")


@pytest.fixture
def thread(desk: SlackStandIn) -> str:
    """A thread of two people, a bot and a join, in pages of two messages; its `ts`."""
    desk.users["U2"] = {"name": "ben.ito"}
    desk.page_size = 2
    ts = str(desk.say("The harbour board votes on the lifeboat station on Thursday at noon.")["ts"])
    desk.say("<@U1> who pays for it, and for &lt;the road&gt; to it?", user="U2", thread_ts=ts)
    desk.say("joined", user="U3", thread_ts=ts, subtype="channel_join")
    desk.say("Your build failed again this very morning.", user="U4", thread_ts=ts, bot_id="B9")
    desk.say("The county pays half of it, the town the rest.", thread_ts=ts)
    return ts


@pytest.mark.parametrize("way", ["mention", "shortcut"])
def test_thread_is_summarized_with_its_authors_as_speakers(desk: SlackStandIn, thread: str, way: str) -> None:
    if way == "mention":
        desk.mention("summarize this thread", thread_ts=thread)
    else:
        desk.shortcut("summarize_thread", next(m for m in desk.messages if m["ts"] == thread))
    screen = desk.wait_for(DONE)

    assert "Summary of a thread of 3 messages" in screen
    assert "> @Ada Lund who pays for it, and for <the road> to it?" in screen
    answer = screen[screen.index("Summary of a thread") :]
    assert "— ben.ito" in answer
    assert "build failed" not in answer
    assert desk.calls["conversations.replies"] > 1


def test_thread_of_more_pages_than_are_read_says_so(desk: SlackStandIn) -> None:
    desk.page_size = 1
    ts = desk.say("The board votes on the lifeboat station on Thursday at noon.")["ts"]
    for n in range(12):
        desk.say(f"I shall be there at {n} o'clock.", thread_ts=ts)
    desk.mention("this thread", thread_ts=ts)
    desk.wait_for("The thread is long: I have read its first 10 messages.")


def test_private_mention_is_answered_to_its_author_alone(desk: SlackStandIn) -> None:
    event = desk.mention(f"{ARTICLE} private")["event"]
    desk.wait_for(DONE)
    assert desk.seen(by="U2") == []
    assert {m.get("thread_ts") for m in desk.seen()} == {event.get("thread_ts")}


def test_answers_to_a_menu_are_public_where_that_is_set(slack: SlackStandIn, start: Serve) -> None:
    start(slack_public=True)
    message = slack.say(ARTICLE)
    slack.shortcut("summarize", message)
    slack.wait_for(DONE)
    assert [m["thread_ts"] for m in slack.seen(by="U2")] == [message["ts"]]


def test_repetitions_of_an_event_make_one_answer(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM
) -> None:
    start()
    mock_llm.configure(first_token_s=0.05)
    envelope = slack.mention(ARTICLE)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: slack.send_event(envelope, retry=n), range(1, 31)))
    slack.wait_for(DONE)
    late = slack.send_event(envelope, retry=31)
    slack.mention("help")
    slack.wait_for("I turn an article")

    assert {a.status_code for a in [*answers, late]} == {200}
    assert len(slack.seen()) == 2
    assert mock_llm.stats.calls == 1


def test_repetitions_at_two_processes_make_one_answer(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM, redis_url: str
) -> None:
    clients = [start(cache_url=redis_url), start(cache_url=redis_url)]
    envelope = slack.mention(ARTICLE)
    body = json.dumps(envelope).encode()

    def repeat(n: int) -> int:
        slack.connect(str(clients[n % 2].base_url))
        return slack.send(body, JSON).status_code

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(repeat, range(20))) == {200}
    slack.wait_for(DONE)
    for client in clients:
        slack.connect(str(client.base_url))
        slack.mention("help")
    slack.wait(lambda: len(slack.seen()) >= 3)

    assert len(slack.seen()) == 3
    assert mock_llm.stats.calls == 1


def test_expired_response_url_falls_back_to_an_ephemeral_message(desk: SlackStandIn) -> None:
    desk.response_url_life_s = 0
    desk.command(ARTICLE)
    screen = desk.wait_for(DONE)

    assert desk.calls["chat.postEphemeral"] == 1
    assert QUOTE in screen
    assert desk.seen(by="U2") == []


def test_missing_scope_is_said_with_its_name(desk: SlackStandIn, thread: str) -> None:
    desk.scopes.discard("channels:history")
    desk.mention("this thread", thread_ts=thread)
    desk.wait_for("I lack the permission channels:history in this workspace; ask whoever runs Standfirst")


def test_thread_of_a_channel_that_the_bot_is_not_in_wants_an_invitation(desk: SlackStandIn) -> None:
    desk.members["C2"] = {"U1"}
    desk.shortcut("summarize_thread", desk.say("Hello there, all of you.", channel="C2"))
    desk.wait_for("I am not in this channel; invite me with /invite and ask again.", "C2")


def test_without_the_right_to_read_names_messages_have_ids(desk: SlackStandIn) -> None:
    desk.scopes.discard("users:read")
    message = desk.say("I shall vote against it, whoever asks me.", user="U7")
    desk.mention("this thread", thread_ts=message["ts"])
    assert "— User U7" in desk.wait_for(DONE)


def test_rate_limits_are_waited_for(desk: SlackStandIn) -> None:
    desk.limit("chat.postMessage", 0)
    desk.limit("chat.update", 0)
    desk.mention(ARTICLE)
    desk.wait_for(DONE)
    assert desk.calls["chat.postMessage"] == desk.calls["chat.update"] == 2


def test_rate_limit_of_an_hour_is_not_waited_for(desk: SlackStandIn, thread: str) -> None:
    desk.limit("conversations.replies", 3_600)
    desk.mention("this thread", thread_ts=thread)
    desk.wait_for("Slack lets me do no more for now; ask again in a minute.")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Slack-Signature": "v0=0"},
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0=é"},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "now"},
        {"X-Slack-Request-Timestamp": "9" * 5_000},
    ],
)
def test_request_that_slack_did_not_sign_is_refused(desk: SlackStandIn, headers: dict[str, str]) -> None:
    encoded = {k: v.encode() for k, v in headers.items()}
    assert desk.send(b"{}", JSON, encoded).status_code == 401  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"[]", b"{", b"null"])
def test_body_is_not_read_before_its_signature(desk: SlackStandIn, body: bytes) -> None:
    assert desk.send(body, JSON, {"X-Slack-Signature": "v0=0"}).status_code == 401


@pytest.mark.parametrize("age_s", [400, -400])
def test_request_of_another_time_is_refused(desk: SlackStandIn, age_s: float) -> None:
    assert desk.send(b"{}", JSON, age_s=age_s).status_code == 401


def test_body_of_a_megabyte_is_refused(desk: SlackStandIn) -> None:
    assert desk.send(b" " * 1_000_000, JSON).status_code == 413


def test_slack_may_check_the_address(desk: SlackStandIn) -> None:
    answer = desk.send_event({"type": "url_verification", "challenge": "abc"})
    assert (answer.status_code, answer.json()) == (200, {"challenge": "abc"})


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b"{}", urlencode({"payload": "["}).encode()])
def test_signed_nonsense_is_no_fault_of_the_service(desk: SlackStandIn, body: bytes) -> None:
    assert (
        desk.send(body, JSON if body[:1] != b"p" else "application/x-www-form-urlencoded").status_code < 500
    )


def test_article_over_the_limit_is_said_in_a_sentence(slack: SlackStandIn, start: Serve) -> None:
    start(max_article_bytes=1_000)
    slack.command("word " * 300)
    slack.wait_for("The article is over 1000 bytes; send it in parts.")


def test_model_that_is_down_is_said_in_a_sentence(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM
) -> None:
    mock_llm.configure(always=Reply(kind="status"))
    start(fallback="none")
    slack.command(ARTICLE)
    slack.wait_for("The model does not answer at present; ask again in a few minutes.")


def test_degraded_answer_says_so(slack: SlackStandIn, start: Serve, mock_llm: MockLLM) -> None:
    start()
    mock_llm.configure(always=Reply(kind="status"))
    slack.command(ARTICLE)
    screen = slack.wait_for("degraded: ")
    assert "[Show evidence]" not in screen


@pytest.mark.parametrize(
    "words",
    [
        "<!channel> and <@U1> met *boldly* in `Oslo` at ~noon~, _he said_ on Tuesday, :smile: &lt;!here&gt;.",
        "قال رئيس البلدية إن الجسر سيغلق يوم الثلاثاء لمدة تسعة أشهر لإجراء أعمال الصيانة اللازمة.",
        "The 👩‍👩‍👧‍👦 family of Norvik 🇳🇴 rejoiced on Tuesday when the ferry 🛳️ came back to the pier.",
    ],
)
def test_words_of_any_kind_are_shown_as_they_are(desk: SlackStandIn, words: str) -> None:
    desk.shortcut("summarize", desk.say(escape(f"“{words}” {words}", quote=False)))
    screen = desk.wait_for(DONE)

    assert words in screen.split("Summary of your text")[1]
    message = desk.answer()
    assert not PING.search(message["text"])


def test_button_gives_another_style_in_place_of_the_first(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM
) -> None:
    start()
    slack.command(ARTICLE)
    slack.wait_for(DONE)
    message = slack.answer()
    slack.press(message, "In style: bullets")
    screen = slack.wait_for("• Work starts in March")

    assert len(slack.seen()) == 2
    assert "[In style: brief]" in screen
    assert mock_llm.stats.calls == 2


def test_button_of_a_public_answer_answers_below_it(desk: SlackStandIn) -> None:
    desk.command(f"{ARTICLE} public")
    desk.wait_for(DONE)
    (message,) = desk.seen()
    desk.press(message, "In German", user="U2")
    desk.wait(lambda: len(desk.seen()) == 2 and DONE in desk.screen().split("    Standfirst")[-1])

    assert [m.get("thread_ts") for m in desk.seen(by="U3")] == [None, message["ts"]]


def test_evidence_is_shown_in_a_window(slack: SlackStandIn, start: Serve, mock_llm: MockLLM) -> None:
    start()
    slack.command(ARTICLE)
    slack.wait_for(DONE)
    slack.press(slack.answer(), "Show evidence")
    slack.wait_for("> Work starts in March and takes two years.")

    assert mock_llm.stats.calls == 1
    assert len(slack.seen()) == 2


def test_window_that_comes_too_late_is_explained(desk: SlackStandIn) -> None:
    desk.command(ARTICLE)
    desk.wait_for(DONE)
    desk.trigger_life_s = -1
    desk.press(desk.answer(), "Show evidence")
    desk.wait_for("Slack let no window be opened; press the button again.")


def test_evidence_of_what_is_no_longer_kept_is_not_made_up(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM
) -> None:
    start(cache_url="memory://")
    slack.command(ARTICLE)
    slack.wait_for(DONE)
    start(cache_url="memory://")
    slack.press(slack.answer(), "Show evidence")
    slack.wait_for("This text is no longer kept; paste it again.")
    assert mock_llm.stats.calls == 1


def test_text_behind_buttons_is_removed_with_its_summary(slack: SlackStandIn, start: Serve) -> None:
    client = start()
    slack.command(ARTICLE)
    slack.wait_for(DONE)
    same = client.post("/v1/summaries", json={"text": ARTICLE})
    assert same.headers["Cache-Status"] == "Standfirst; hit"
    client.delete(f"/v1/summaries/{same.json()['id']}").raise_for_status()

    slack.press(slack.answer(), "In style: bullets")
    assert DONE in slack.wait_for("This text is no longer kept; paste it again.")


def test_failing_button_leaves_the_answer_alone(slack: SlackStandIn, start: Serve, mock_llm: MockLLM) -> None:
    start(fallback="none")
    slack.command(ARTICLE)
    slack.wait_for(DONE)
    mock_llm.configure(always=Reply(kind="status"))
    slack.press(slack.answer(), "In style: bullets")
    assert DONE in slack.wait_for("The model does not answer at present")


def test_answer_that_can_replace_nothing_is_a_message_of_its_own(desk: SlackStandIn) -> None:
    desk.command(ARTICLE)
    desk.wait_for(DONE)
    desk.can_replace = False
    desk.press(desk.answer(), "In style: bullets")
    desk.wait_for("• Work starts in March")
    assert len(desk.seen()) == 3
    assert desk.calls["chat.postEphemeral"] == 0


def test_embargoed_text_leaves_nothing_behind(slack: SlackStandIn, start: Serve, tmp_path: Path) -> None:
    start()
    slack.command(f"{ARTICLE} private")
    screen = slack.wait_for(DONE)

    assert "[" not in screen.split("Summary of your text")[1]
    kept = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
    assert b"Tarnmouth" not in kept
    assert b"Brandt" not in kept


def test_progress_of_long_work_is_shown(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM, tmp_path: Path
) -> None:
    mock_llm.configure(first_token_s=0.02)
    (tmp_path / "models.toml").write_text(SMALL_WINDOW, encoding="utf-8")
    start(
        model="small",
        models_file=str(tmp_path / "models.toml"),
        chunk_concurrency=1,
        slack_progress_s=0.01,
    )
    slack.mention("\n\n".join(f"{n}. {ARTICLE}" for n in range(60)))
    slack.wait_for(DONE)
    history = slack.seen()[0]["history"]

    assert history[0] == "Reading your text …"
    assert any("in parts" in step for step in history)


def test_progress_for_the_asker_leaves_room_for_the_answer(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM, tmp_path: Path
) -> None:
    mock_llm.configure(first_token_s=0.02)
    (tmp_path / "models.toml").write_text(SMALL_WINDOW, encoding="utf-8")
    start(
        model="small",
        models_file=str(tmp_path / "models.toml"),
        chunk_concurrency=1,
        slack_progress_s=0.01,
    )
    slack.shortcut("summarize", slack.say("\n\n".join(f"{n}. {ARTICLE}" for n in range(60))))
    slack.wait_for(DONE)

    first, *reports, answer = slack.seen()
    assert first["text"] == "Reading your text …"
    assert all(report["text"].startswith("The model ") for report in reports)
    assert 1 <= len(reports) <= 2
    assert DONE in str(answer["blocks"])
    assert slack.calls["response_url"] == len(slack.seen())


def test_asker_is_told_when_the_service_stops(slack: SlackStandIn, mock_llm: MockLLM, tmp_path: Path) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    own: Any = slack.settings(openai_base_url=mock_llm.base_url, cache_url=f"sqlite:///{tmp_path}/x.sqlite3")
    with running(Settings(**own)) as client:
        slack.connect(str(client.base_url))
        slack.command(ARTICLE)
        mock_llm.wait_until(lambda stats: stats.in_flight == 1)
    assert "I was stopped before I was done; please ask again in a minute." in slack.screen()


def test_more_work_than_allowed_is_turned_away(slack: SlackStandIn, start: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    start(slack_max_jobs=1)
    slack.command(ARTICLE)
    mock_llm.wait_until(lambda stats: stats.in_flight == 1)

    assert "too much to do" in slack.command(ARTICLE).json()["text"]
    slack.mention(ARTICLE)
    assert slack.answers[-1].status_code == 503
    slack.shortcut("summarize", slack.say(ARTICLE))
    slack.wait_for("I have too much to do at the moment; please ask again in a minute.")


def test_deleted_working_message_does_not_lose_the_answer(desk: SlackStandIn) -> None:
    desk.fail("chat.update", "message_not_found")
    desk.mention(ARTICLE)
    desk.wait_for(DONE)
    assert desk.calls["chat.postMessage"] == 2


def test_link_that_is_no_address_is_said_to_be_none(desk: SlackStandIn) -> None:
    assert desk.command("https://[x").status_code == 200
    desk.wait_for("The URL's host is no name of the internet; check the URL.")


def test_spent_budget_is_said_in_a_sentence(slack: SlackStandIn, start: Serve) -> None:
    start(daily_budget_usd=0.000001, when_spent="refuse", model="gpt-5-mini")
    slack.command(ARTICLE)
    slack.wait_for("What may be spent on summaries is used up for now; ask again tomorrow.")


def test_wrong_token_is_a_problem_of_the_service(slack: SlackStandIn, start: Serve) -> None:
    client = start(slack_bot_token=Secret("xoxb-wrong"))
    slack.wait(lambda: slack.calls["auth.test"])
    slack.command(ARTICLE)
    slack.wait_for(DONE)
    assert "invalid_auth" in client.get("/readyz").json()["problems"]["slack"]


def test_workspace_that_is_not_served_is_told_so(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM
) -> None:
    start(slack_teams=("T2",))
    assert "does not serve your workspace" in slack.command(ARTICLE).json()["text"]
    slack.mention(ARTICLE)
    assert slack.answers[-1].status_code == 200
    assert mock_llm.stats.calls == 0


def test_socket_mode_needs_no_public_address(
    slack: SlackStandIn, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(**slack.settings(slack_signing_secret=None, slack_app_token=APP_TOKEN))
    assert client.post("/slack/events", json={}).status_code == 404
    message = slack.say(f"<@{BOT}> {ARTICLE}")
    event = {
        "type": "event_callback",
        "team_id": "T1",
        "event_id": "Ev1",
        "event": message | {"type": "app_mention"},
    }
    assert slack.send_by_socket("events_api", event) == {}
    slack.wait_for(DONE)
    assert "secret-ticket" not in caplog.text


def test_log_has_no_article_and_no_secret(
    slack: SlackStandIn, start: Serve, mock_llm: MockLLM, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mock_llm.configure(always=Reply(kind="status", message="about Tarnmouth"))
    start()
    slack.command(ARTICLE)
    slack.wait_for("degraded")
    slack.send(ARTICLE.encode(), JSON, {"X-Slack-Signature": "v0=0"})
    slack.send(b'{"type": "event_callback", "event": {"type": "Tarnmouth"}}', JSON)
    slack.scopes.discard("chat:write")
    slack.mention(ARTICLE)
    slack.wait(lambda: slack.calls["chat.postMessage"] >= 2)

    for hidden in ("Tarnmouth", "Brandt", "xoxb", "stand-in-secret"):
        assert hidden not in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"slack_signing_secret": Secret("s")}, "STANDFIRST_SLACK_BOT_TOKEN: is needed"),
        ({"slack_app_token": Secret("s")}, "STANDFIRST_SLACK_BOT_TOKEN: is needed"),
        ({"slack_bot_token": Secret("s")}, "STANDFIRST_SLACK_SIGNING_SECRET: is needed"),
    ],
)
def test_half_a_slack_app_stops_the_start(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        create_app(Settings(model="extractive", cache_url="memory://", **fields))


def test_slack_without_its_library_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slack_bolt", None)
    named: Any = {"slack_bot_token": Secret("t"), "slack_signing_secret": Secret("s")}
    with pytest.raises(SettingError, match=r"install `standfirst\[slack\]`"):
        create_app(Settings(model="extractive", cache_url="memory://", **named))


def test_service_without_slack_has_no_such_route(extractive: httpx.Client) -> None:
    assert extractive.post("/slack/events", content=b"{}").status_code == 404


def test_signature_is_the_one_that_slack_documents() -> None:
    # The example of https://docs.slack.dev/authentication/verifying-requests-from-slack/
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert sign(body, "1531420618", "8f742231b10e8888abcd99yyyzzz85a5") == expected
