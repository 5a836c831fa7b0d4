"""Bad input over real HTTP: a problem that names the field and the remedy, whatever came in."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx
import pytest

from service.api.problems import MEDIA_TYPE

TEXT = "The ferry to Holm Isle ran aground at noon. Nobody was hurt, its owner said."
LIMIT = 200_000
JSON = "application/json"
PLAIN = "text/plain"


def send(
    client: httpx.Client,
    content: bytes,
    media_type: str | None = JSON,
    path: str = "/v1/summaries",
    query: str = "",
) -> httpx.Response:
    headers = {} if media_type is None else {"Content-Type": media_type}
    return client.post(f"{path}{query}", content=content, headers=headers)


def refused(answer: httpx.Response, status: int, kind: str, field: str | None = None) -> dict[str, Any]:
    """The problem, which must be of that status and type, and name that field."""
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert problem["type"] == f"urn:standfirst:problem:{kind}"
    assert problem.get("field") == field
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("path", ["/v1/summaries", "/v1/quotes"])
@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u2003\u00a0"])
def test_empty_text_is_refused(extractive: httpx.Client, path: str, text: str) -> None:
    answer = extractive.post(path, json={"text": text})
    assert answer.status_code == 422
    assert answer.json()["field"] == "text"
    assert "text" in answer.json()["remedy"]


def test_blank_plain_text_is_refused(extractive: httpx.Client) -> None:
    refused(send(extractive, b"  \n ", PLAIN), 422, "invalid-article", "text")


@pytest.mark.parametrize(("content", "media_type"), [(b"", JSON), (b" ", JSON), (b"", PLAIN), (b"", None)])
def test_empty_body_is_refused(extractive: httpx.Client, content: bytes, media_type: str | None) -> None:
    assert refused(send(extractive, content, media_type), 400, "malformed-request")["remedy"]


@pytest.mark.parametrize("media_type", [JSON, PLAIN])
def test_text_over_the_limit_is_refused_with_the_limit(extractive: httpx.Client, media_type: str) -> None:
    text = "é" * (LIMIT // 2 + 1)
    content = json.dumps({"text": text}) if media_type == JSON else text
    problem = refused(send(extractive, content.encode(), media_type), 413, "article-too-large", "text")
    assert (problem["limit"], problem["unit"]) == (LIMIT, "byte")
    assert problem["remedy"]


@pytest.mark.parametrize("media_type", [JSON, PLAIN])
def test_text_of_just_the_limit_is_taken(extractive: httpx.Client, media_type: str) -> None:
    text = "é" * (LIMIT // 2)
    content = json.dumps({"text": text}) if media_type == JSON else text
    assert send(extractive, content.encode(), media_type, "/v1/quotes").status_code == 200


def test_body_over_any_article_is_refused_with_its_limit(extractive: httpx.Client) -> None:
    problem = refused(send(extractive, b" " * 2_000_000), 413, "body-too-large")
    assert LIMIT < problem["limit"] < 2_000_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", 5),
        ("text", None),
        ("text", ["a"]),
        ("title", 5),
        ("title", "x" * 1001),
        ("style", "haiku"),
        ("style", 1),
        ("max_quotes", 21),
        ("max_quotes", -1),
        ("max_quotes", 1.5),
        ("max_quotes", "3"),
        ("max_quotes", True),
        ("language", "english please"),
        ("language", ""),
        ("policy", "lenient"),
        ("prompt", ""),
        ("prompt", "x" * 101),
        ("model", ""),
        ("article_id", ""),
        ("article_id", 7),
        ("metadata", []),
        ("metadata", {str(n): n for n in range(51)}),
    ],
    ids=lambda value: str(value)[:12],
)
def test_wrong_value_is_refused_by_field(extractive: httpx.Client, field: str, value: object) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, field: value})
    refused(answer, 422, "invalid-request", field)


def test_nested_metadata_is_refused(extractive: httpx.Client) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, "metadata": {"a": {"b": 1}}})
    assert answer.json()["field"].startswith("metadata")


def test_missing_text_is_named(extractive: httpx.Client) -> None:
    answer = extractive.post("/v1/summaries", json={"style": "brief"})
    assert refused(answer, 422, "invalid-request", "text")["remedy"]


def test_unknown_field_is_named_beside_those_that_exist(extractive: httpx.Client) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, "max_quote": 3})
    assert "max_quotes" in refused(answer, 422, "invalid-request", "max_quote")["remedy"]


@pytest.mark.parametrize(
    "options",
    [{"style": "SECRET " * 20_000}, {"policy": "SECRET"}, {"language": "SECRET"}, {"prompt": "SECRET " * 20}],
    ids=lambda options: next(iter(options)),
)
def test_value_that_was_sent_is_not_repeated(extractive: httpx.Client, options: dict[str, str]) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, **options})
    assert answer.status_code == 422
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("media_type", [JSON, PLAIN])
def test_long_name_of_an_unknown_field_is_cut(extractive: httpx.Client, media_type: str) -> None:
    name = "x" * 20_000
    if media_type == JSON:
        answer = extractive.post("/v1/summaries", json={"text": TEXT, name: 1})
    else:
        answer = send(extractive, TEXT.encode(), PLAIN, query=f"?{name}=1&{name}=2")
    refused(answer, 422, "invalid-request", "x" * 80)
    assert len(answer.content) < 600


def test_option_of_summaries_is_unknown_to_quotes(extractive: httpx.Client) -> None:
    refused(
        extractive.post("/v1/quotes", json={"text": TEXT, "style": "brief"}), 422, "invalid-request", "style"
    )


@pytest.mark.parametrize("model", ["gpt-9", "Extractive", "x" * 200])
def test_unknown_model_is_refused_beside_those_that_exist(extractive: httpx.Client, model: str) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, "model": model})
    assert "extractive" in refused(answer, 422, "unknown-model", "model")["remedy"]


@pytest.mark.parametrize("prompt", ["sonnet", "article@99", "article@beta", "../article", "article@stable@1"])
def test_unknown_prompt_is_refused_beside_those_that_exist(extractive: httpx.Client, prompt: str) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, "prompt": prompt})
    assert "article@1" in refused(answer, 422, "unknown-prompt", "prompt")["remedy"]


def test_prompt_that_summarizes_nothing_is_refused(extractive: httpx.Client) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, "prompt": "repair"})
    assert "article" in refused(answer, 422, "unknown-prompt", "prompt")["remedy"]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"nonsense",
        b'{"text": "a"} trailing',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\udc00\\ud800"}',
        b'{"text": "a", "title": "\\ud83d"}',
        b'{"text": "a\x00b"}',
        b"\xff\xfe{\x00}\x00",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_body_that_is_not_json_is_refused(extractive: httpx.Client, content: bytes) -> None:
    assert refused(send(extractive, content), 400, "malformed-request")["remedy"]


@pytest.mark.parametrize(
    "text",
    [r"\ud800", r"a\udc00b", r"\udc00\ud800", r"\\\ud83d and more", r"\ud83d\ud83d\ude00", r"\uD83D\n"],
)
def test_half_of_a_surrogate_pair_is_called_that(extractive: httpx.Client, text: str) -> None:
    answer = send(extractive, f'{{"text": "{text}"}}'.encode())
    assert "surrogate pair" in refused(answer, 400, "malformed-request")["detail"]


@pytest.mark.parametrize("text", [r"\ud83d\ude00", r"\\ud800 on", r"\\udc00"])
def test_what_only_looks_like_half_a_pair_is_not_called_that(extractive: httpx.Client, text: str) -> None:
    whole = f'{{"text": "{text}"}}'.encode()
    assert send(extractive, whole, path="/v1/quotes").status_code == 200
    cut = refused(send(extractive, whole[:-1]), 400, "malformed-request")
    assert "surrogate" not in cut["detail"]


def test_title_that_is_not_text_is_refused(extractive: httpx.Client) -> None:
    answer = extractive.post("/v1/summaries", json={"text": TEXT, "title": "Ferry\x00"})
    assert "U+0000 at offset 5" in refused(answer, 422, "invalid-article", "title")["detail"]


@pytest.mark.parametrize("path", ["/v1/summaries", "/v1/quotes"])
def test_metadata_in_the_query_is_asked_for_as_json(extractive: httpx.Client, path: str) -> None:
    answer = send(extractive, TEXT.encode(), PLAIN, f"{path}?metadata=a")
    assert "JSON" in refused(answer, 422, "invalid-request", "metadata")["remedy"]


def test_remedy_of_an_empty_plain_body_is_no_json(extractive: httpx.Client) -> None:
    answer = send(extractive, b"", PLAIN)
    assert "JSON" not in refused(answer, 400, "malformed-request")["remedy"]


@pytest.mark.parametrize(
    "content", [b"[]", b"null", b"7", b'"text"', b"[" * 100_000, b'{"a":' * 100_000, b'{"metadata":' * 10_000]
)
def test_json_that_is_no_request_is_refused(extractive: httpx.Client, content: bytes) -> None:
    answer = send(extractive, content)
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == MEDIA_TYPE


def test_byte_order_mark_before_json_is_taken(extractive: httpx.Client) -> None:
    content = b"\xef\xbb\xbf" + json.dumps({"text": TEXT}).encode()
    assert send(extractive, content).status_code == 200


@pytest.mark.parametrize("odd", ["\x00", "\x07", "\x1b", "\x7f", "\x9b"])
@pytest.mark.parametrize("media_type", [JSON, PLAIN])
def test_control_characters_are_refused_with_their_place(
    extractive: httpx.Client, odd: str, media_type: str
) -> None:
    text = f"Twelve chars{odd}"
    content = json.dumps({"text": text}) if media_type == JSON else text
    problem = refused(send(extractive, content.encode(), media_type), 422, "invalid-article", "text")
    assert f"U+{ord(odd):04X} at offset 12" in problem["detail"]


def test_stray_control_character_of_an_archive_is_taken(extractive: httpx.Client) -> None:
    text = f"{TEXT * 20}\x1b {TEXT}"
    assert extractive.post("/v1/quotes", json={"text": text}).status_code == 200


def test_nul_is_refused_however_long_the_text(extractive: httpx.Client) -> None:
    answer = extractive.post("/v1/quotes", json={"text": f"{TEXT * 20}\x00"})
    refused(answer, 422, "invalid-article", "text")


def test_plain_text_that_is_not_utf8_is_refused_with_the_place(extractive: httpx.Client) -> None:
    answer = send(extractive, b"The caf\xe9 closed.", PLAIN)
    assert "byte 7" in refused(answer, 400, "malformed-request", "text")["detail"]


@pytest.mark.parametrize(
    "charset",
    ["klingon", "base64", "rot13", "x" * 300, "undefined", "utf-16", "unicode_escape"],
)
def test_charset_that_cannot_be_read_is_refused(extractive: httpx.Client, charset: str) -> None:
    answer = send(extractive, b"\\ud800 \xe9.", f"{PLAIN}; charset={charset}")
    assert answer.status_code in (400, 415, 422)
    assert answer.headers["Content-Type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    "charset",
    ["punycode", "IDNA", "utf-7", "unicode_escape", "raw_unicode_escape", "utf-8-sig", "palmos", "rot13"],
)
def test_codec_that_is_no_charset_of_articles_is_refused(extractive: httpx.Client, charset: str) -> None:
    answer = send(extractive, b"Holm", f"{PLAIN}; charset={charset}")
    refused(answer, 415, "unsupported-media-type", "Content-Type")


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("UTF-8", "Žofín"),
        ("utf-16", "Žofín"),
        ("us-ascii", "Zofin"),
        ("latin1", "Müßig"),
        ("iso-8859-2", "Žofín"),
        ("ISO-8859-15", "œuvre €"),
        ("windows-1250", "Žofín"),
        ("windows-1252", "“Müßig”"),
        ("shift_jis", "港の船"),
        ("euc-jp", "港の船"),
        ("iso-2022-jp", "港の船"),
        ("gb18030", "港口"),
        ("gbk", "港口"),
        ("big5", "港口"),
        ("euc-kr", "항구"),
        ("koi8-r", "гавань"),
    ],
)
def test_charsets_of_the_press_are_read(extractive: httpx.Client, charset: str, text: str) -> None:
    answer = send(extractive, text.encode(charset), f"{PLAIN}; charset={charset}", "/v1/quotes")
    assert answer.json()["article_digest"] == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@pytest.mark.parametrize(
    "media_type",
    ["text/css", "application/xml", "multipart/form-data; boundary=x", "image/png", "json", "text/"],
)
def test_other_media_types_are_refused(extractive: httpx.Client, media_type: str) -> None:
    answer = send(extractive, TEXT.encode(), media_type)
    assert "application/json" in refused(answer, 415, "unsupported-media-type", "Content-Type")["remedy"]


def test_body_of_no_media_type_is_read_as_json(extractive: httpx.Client) -> None:
    assert send(extractive, json.dumps({"text": TEXT}).encode(), None).status_code == 200


def test_option_given_twice_is_refused(extractive: httpx.Client) -> None:
    answer = send(extractive, TEXT.encode(), PLAIN, "/v1/summaries?style=brief&style=bullets")
    refused(answer, 422, "invalid-request", "style")


def test_text_in_the_query_is_refused(extractive: httpx.Client) -> None:
    refused(send(extractive, TEXT.encode(), PLAIN, "/v1/summaries?text=a"), 422, "invalid-request", "text")


def test_options_of_json_in_the_query_are_refused(extractive: httpx.Client) -> None:
    content = json.dumps({"text": TEXT}).encode()
    refused(send(extractive, content, path="/v1/summaries?style=bullets"), 422, "invalid-request", "style")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("style=haiku", "style"),
        ("max_quotes=many", "max_quotes"),
        ("colour=red", "colour"),
        ("language=%ff", "language"),
    ],
)
def test_wrong_option_in_the_query_is_refused_by_field(
    extractive: httpx.Client, query: str, field: str
) -> None:
    refused(send(extractive, TEXT.encode(), PLAIN, f"/v1/summaries?{query}"), 422, "invalid-request", field)


@pytest.mark.parametrize("summary_id", ["0" * 64, "x" * 2000, "%00", "%ff", "é"], ids=lambda text: text[:3])
def test_id_of_no_summary_is_not_found(extractive: httpx.Client, summary_id: str) -> None:
    refused(extractive.get(f"/v1/summaries/{summary_id}"), 404, "not-found")
    refused(extractive.delete(f"/v1/summaries/{summary_id}"), 404, "not-found")


def test_unknown_path_is_a_problem(extractive: httpx.Client) -> None:
    refused(extractive.get("/v2/summaries"), 404, "not-found")


def test_wrong_method_is_a_problem_with_those_that_are_allowed(extractive: httpx.Client) -> None:
    answer = extractive.put("/v1/summaries", content=b"{}")
    refused(answer, 405, "method-not-allowed")
    assert "POST" in answer.headers["Allow"]
    assert "POST" in answer.json()["detail"]
