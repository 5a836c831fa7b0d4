"""What people in Slack see, case by case, as text: `python -m bench.slack_shows`.

The service runs in a process of its own, before the mock LLM and a stand-in for Slack that enforces Slack's
limits. `--acknowledgements` only measures how soon requests are acknowledged while 100 summaries run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.harness import Mock, Row, mock_llm, service, show
from bench.page_server import PageServer
from bench.slack_screen import render
from bench.slack_standin import SlackStandIn

SEED = Path(__file__).parents[1] / "seeds" / "01-ferry-wire.txt"
ARTICLE = (
    "TARNMOUTH — The harbour board of Tarnmouth voted 6-1 on Thursday to spend 4.2 million crowns on a new"
    " lifeboat station. Work starts in March and takes two years.\n\n"
    "“We have buried too many fishermen to haggle over a boathouse,” said Odile Brandt, who chairs the board."
)
DONE = "article@1 ·"
SUMMARIES = 100
MODEL_S = 10.0
LIMIT_MS = 500
_JSON = "application/json"


class Stage(NamedTuple):
    """What a case plays on."""

    slack: SlackStandIn
    mock: Mock
    pages: PageServer


def page(on: Stage) -> str:
    """The URL of a page with an article from the seeds."""
    paragraphs = "".join(f"<p>{p}</p>" for p in SEED.read_text("utf-8").split("\n\n"))
    title = "<title>Ferry fire off Norvik: all 212 safe</title>"
    return on.pages.add("/ferry", f"<html lang=en><head>{title}</head><article>{paragraphs}</article></html>")


def command(on: Stage) -> None:
    answer = on.slack.command(f"{page(on)} bullets")
    print(f"acknowledged with {answer.status_code}: {answer.json()['text']}\n\nand then:\n")
    print(on.slack.wait_for(DONE))


def evidence(on: Stage) -> None:
    command_quietly(on)
    on.slack.press(on.slack.answer(), "Show evidence")
    on.slack.wait_for("- in the article word for word -")
    print("a window:\n" + "\n".join(render(v["blocks"]) for v in on.slack.views.values()))


def command_quietly(on: Stage) -> None:
    on.slack.command(page(on))
    on.slack.wait_for(DONE)


def mention(on: Stage) -> None:
    on.slack.mention(f"<{page(on)}> standfirst")
    print(on.slack.wait_for(DONE))


def shortcut(on: Stage) -> None:
    on.slack.shortcut(
        "summarize", on.slack.say("<!channel> *Ice* holds the ferry at Norvik for a third day.")
    )
    print(on.slack.wait_for(DONE))


def thread(on: Stage) -> None:
    on.slack.users["U2"] = {"name": "ben.ito"}
    ts = on.slack.say("The board votes on the lifeboat station on Thursday at noon.")["ts"]
    on.slack.say("<@U1> who pays for it, and for the road to it?", user="U2", thread_ts=ts)
    on.slack.say("Build 417 failed.", user="U4", bot_id="B9", thread_ts=ts)
    on.slack.say("The county pays half of it, the town the rest.", thread_ts=ts)
    on.slack.mention("summarize this thread", thread_ts=ts)
    print(on.slack.wait_for(DONE))


def retry_storm(on: Stage) -> None:
    calls = on.mock.calls
    envelope = on.slack.mention(ARTICLE)
    answers = [on.slack.send_event(envelope, retry=n).status_code for n in range(1, 31)]
    on.slack.wait_for(DONE)
    print(f"the event came 31 times, 30 times with X-Slack-Retry-Num; each was answered with {set(answers)}")
    print(f"answers in the channel: {len(on.slack.seen())}; calls of the model: {on.mock.calls - calls}")


def expired_response_url(on: Stage) -> None:
    on.slack.response_url_life_s = 0
    on.slack.command(ARTICLE)
    on.slack.wait_for(DONE)
    print(f"calls: {dict(on.slack.calls)}\n\n{on.slack.screen()}")


def missing_scope(on: Stage) -> None:
    on.slack.scopes.discard("channels:history")
    ts = on.slack.say("The board votes on Thursday.")["ts"]
    on.slack.mention("summarize this thread", thread_ts=ts)
    print(on.slack.wait_for("I lack"))


def not_in_channel(on: Stage) -> None:
    on.slack.members["C2"] = {"U1"}
    on.slack.shortcut("summarize_thread", on.slack.say("The board votes on Thursday.", channel="C2"))
    print(on.slack.wait_for("invite me", "C2"))


def no_page(on: Stage) -> None:
    on.slack.command(on.pages.add("/gone", "", 404))
    print(on.slack.wait_for("(404)"))


def model_down(on: Stage) -> None:
    on.mock.configure(always={"kind": "status"})
    on.slack.command(f"{ARTICLE} “It is cold,” said Piet Lund.")
    print(on.slack.wait_for("degraded"))
    on.mock.configure()


def bad_signature(on: Stage) -> None:
    answer = on.slack.send(b"{}", _JSON, {"X-Slack-Signature": "v0=0"})
    print(f"{answer.status_code} {answer.text}")


def replayed(on: Stage) -> None:
    answer = on.slack.send(b"{}", _JSON, age_s=301)
    print(f"signed 301 seconds ago: {answer.status_code} {answer.text}")


def rate_limited(on: Stage) -> None:
    on.slack.limit("chat.postMessage", 1)
    begun = time.monotonic()
    on.slack.mention(ARTICLE)
    on.slack.wait_for(DONE)
    calls = on.slack.calls["chat.postMessage"]
    print(f"chat.postMessage was answered with 429, Retry-After: 1; it was called {calls} times")
    print(f"answers in the channel: {len(on.slack.seen())}, after {time.monotonic() - begun:.0f} s or more")


CASES: dict[str, Callable[[Stage], None]] = {
    "A command": command,
    "“Show evidence”": evidence,
    "A mention": mention,
    "“Summarize” in a message's menu": shortcut,
    "A thread": thread,
    "A storm of retries": retry_storm,
    "An expired `response_url`": expired_response_url,
    "A missing scope": missing_scope,
    "A channel that the bot is not in": not_in_channel,
    "A page that is not there": no_page,
    "A model that is down": model_down,
    "A wrong signature": bad_signature,
    "A replayed request": replayed,
    "Slack's rate limit": rate_limited,
}


def acknowledgements(on: Stage) -> None:
    """How soon mentions, and then repetitions and commands, are acknowledged while 100 summaries are made."""
    on.mock.configure(first_token_s=MODEL_S)
    on.slack.answers.clear()
    begun = time.monotonic()
    for n in range(SUMMARIES):
        envelope = on.slack.mention(f"{ARTICLE} “Number {n} is cold,” said Piet Lund.")
        on.slack.send_event(envelope, retry=1)
        on.slack.command("help")
    assert time.monotonic() - begun < MODEL_S, "the first summaries were done before the last were asked for"
    on.slack.wait(lambda: on.slack.screen().count(DONE) >= SUMMARIES, 120)
    quantiles = statistics.quantiles((a.elapsed.total_seconds() * 1_000 for a in on.slack.answers), n=100)
    show([Row(f"ms to acknowledge, median of {len(on.slack.answers)}", quantiles[49])])
    show([Row(f"ms to acknowledge while {SUMMARIES} summaries run, p99", quantiles[98], LIMIT_MS)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.slack_shows", description=__doc__)
    parser.add_argument("--acknowledgements", action="store_true")
    only_times = parser.parse_args().acknowledgements
    with mock_llm() as mock, SlackStandIn() as slack, PageServer() as pages:
        settings = slack.settings(web_ports=pages.port, web_private_networks="127.0.0.1/32")
        with service(mock.url, model="mock", llm_concurrency=128, **settings) as process:
            slack.connect(process.url)
            on = Stage(slack, mock, pages)
            if only_times:
                acknowledgements(on)
                return
            for name, play in CASES.items():
                slack.reset()
                print(f"\n### {name}\n```")
                play(on)
                print("```")


if __name__ == "__main__":
    main()
