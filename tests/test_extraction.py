"""The article in documents from the web, on pages written for it (`tests/pages`)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pypdf
import pytest

from service.errors import (
    ConsentWallError,
    IntakeBusyError,
    NoArticleError,
    PageError,
    PageTimeoutError,
    PageTypeError,
    PaywallError,
)
from service.extraction import Extractor, decode_page
from service.extraction.html import extract_html
from service.extraction.pdf import extract_pdf
from service.models import Source
from service.passages import find_paragraphs

PAGES = Path(__file__).parent / "pages"
PARAGRAPH = (
    "<p>The council of {0} voted on Tuesday to keep its boat for {1} years, said the mayor of {0}.</p>"
)


def read(name: str) -> Source:
    return extract_html(decode_page((PAGES / f"{name}.html").read_bytes()))


def page(*paragraphs: str, head: str = "") -> str:
    body = "".join(f"<p>{p}</p>" for p in paragraphs)
    return f"<html><head><title>A page</title>{head}</head><body><article>{body}</article></body></html>"


LONG = [
    f"The council of Holm voted {n} times on Tuesday to keep its boat, which costs {n * 1000} crowns a year."
    for n in range(1, 5)
]


def test_newspaper_page_gives_its_article_and_nothing_around_it() -> None:
    text = read("broadsheet").text
    for inside in ("midnight", "“We have pulled forty", "£310,000", "What happens next", "The crew trains"):
        assert inside in text
    for outside in ("cookies", "Sport", "Related", "Ferry timetable", "READER", "©", "SCRIPT", "Photograph"):
        assert outside not in text


def test_paragraphs_stay_apart() -> None:
    text = read("broadsheet").text
    starts = [text[p.start :].split()[0] for p in find_paragraphs(text)]
    assert starts[:3] == ["Tarnmouth", "“We", "The"]
    assert "\n\n" in text


def test_page_says_who_wrote_it_and_when() -> None:
    source = read("broadsheet")
    assert (source.title, source.author) == ("Tarnmouth council votes to keep its lifeboat", "Odile Brandt")
    assert (source.published, source.language, source.site) == ("2026-03-04", "en-GB", "The Holm Courier")


def test_title_is_not_repeated_in_the_text() -> None:
    assert not read("broadsheet").text.startswith("Tarnmouth council votes to keep its lifeboat\n")


def test_what_nobody_sees_is_not_read() -> None:
    assert "HIDDEN" not in read("broadsheet").text


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="display: none">{}</p>',
        '<p style="color:red;DISPLAY:NONE!important">{}</p>',
        '<div style="visibility:hidden"><p>{}</p></div>',
        '<p style="font-size:0">{}</p>',
        '<p style="font-size: 0.0em">{}</p>',
        '<p style="opacity:0">{}</p>',
        '<p style="position:absolute;left:-9999px">{}</p>',
        '<p style="text-indent:-9999px">{}</p>',
        "<p hidden>{}</p>",
        "<template><p>{}</p></template>",
        "<noscript><p>{}</p></noscript>",
        "<dialog><p>{}</p></dialog>",
        "<!-- <p>{}</p> -->",
        '<p class="lead sr-only">{}</p>',
        "<style>.x9 {{ display:none }}</style><p class='x9'>{}</p>",
        "<style>a{{}} #y9, .z {{ visibility: hidden }}</style><p id='y9'>{}</p>",
        '<script type=\'application/ld+json\'>{{"articleBody": "{}"}}</script>',
        "<p>Seen.</p><span style='display:none'>{}</span>",
    ],
)
def test_hidden_words_do_not_become_the_article(markup: str) -> None:
    secret = "SECRET words that only a model would ever read in this page of news"
    html = page(*LONG).replace("</article>", f"{markup.format(secret)}</article>")
    text = extract_html(html).text
    assert "SECRET" not in text
    assert LONG[-1] in text


@pytest.mark.parametrize(
    "markup",
    [
        '<p style="opacity:0.9">{}</p>',
        '<p style="font-size:0.9em">{}</p>',
        '<p class="hidden md:block">{}</p>',
        "<style>@media print {{ .x {{ display:none }} }}</style><p class='x'>{}</p>",
        "<style>.other .x {{ display:none }}</style><p class='x'>{}</p>",
    ],
)
def test_what_is_seen_is_not_taken_for_hidden(markup: str) -> None:
    shown = "These are words that every reader of the page sees, and the article ends with them."
    html = page(*LONG).replace("</article>", f"{markup.format(shown)}</article>")
    assert shown in extract_html(html).text


def test_page_that_fades_in_as_a_whole_is_read() -> None:
    html = page(*LONG).replace("<article>", "<article style='opacity:0'>")
    assert LONG[0] in extract_html(html).text


def test_magazine_page_gives_its_story_and_no_pointers_to_others() -> None:
    text = read("magazine").text
    for inside in (
        "“I am the one who is still here,”",
        "What will become",
        "A boat is a promise",
        "The next one",
    ):
        assert inside in text
    for outside in ("READ MORE", "weekly letter", "Most read", "School reopens", "Manage cookies"):
        assert outside not in text
    assert text.count("I am the one who is still here") == 1


def test_marks_that_browsers_draw_around_quotations_are_in_the_text() -> None:
    assert "asked what it meant. “It means do it properly,” he told them." in read("magazine").text
    nested = extract_html(page("<q>He said <q>never</q> to <b>me</b></q>, she recalled.", *LONG)).text
    assert nested.startswith("“He said ‘never’ to me”, she recalled.")


def cards(count: int, link: str) -> str:
    heading, text = (
        "<a href='{link}'><h3>Other {n}</h3></a>",
        "<p>TEASER {n}: a tug came to the rescue at noon.</p>",
    )
    card = f"<article>{heading}{text}</article>"
    return "".join(card.format(n=n, link=link.format(n)) for n in range(count))


@pytest.mark.parametrize("place", ["<article>", "</article>"])
def test_teasers_of_other_articles_are_not_read(place: str) -> None:
    teasers = f"<section>{cards(5, '/story/{}')}</section>"
    around = {"<article>": f"{teasers}<article>", "</article>": f"</article>{teasers}"}
    text = extract_html(page(LONG[0]).replace(place, around[place])).text
    assert text == LONG[0]


def test_front_page_is_no_article() -> None:
    with pytest.raises(NoArticleError):
        extract_html(f"<html><body><main>{cards(12, 'https://news.example/{}')}</main></body></html>")


@pytest.mark.parametrize("link", ["#post-{}", "?post={}", "https://news.example/live?post={}"])
def test_posts_of_a_live_blog_are_no_teasers(link: str) -> None:
    html = f"<html><body><main><h1>Live</h1>{cards(5, link)}</main></body></html>"
    assert extract_html(html, "https://news.example/live").text.count("TEASER") == 5


def test_few_words_of_breaking_news_are_an_article_on_a_page_that_asks_for_much() -> None:
    assert read("flash").text.endswith("Nobody is hurt, the coastguard says. More soon.")


def test_live_blog_gives_its_posts_under_its_own_title() -> None:
    source = read("liveblog")
    assert (source.title, source.author) == ("Storm Ines: live updates", "Nora Vik")
    for post in ("two thousand homes", "sports hall", "All ferries"):
        assert post in source.text
    assert "MACHINE COPY" not in source.text


def test_amp_page_is_read_without_its_advertisements() -> None:
    source = read("amp")
    assert "«Wir können niemanden bitten, über Rost zu fahren»" in source.text
    assert (source.language, source.author, source.published) == ("de", "Jörg Müßig", "2026-02-17")
    assert source.canonical_url == "https://kurier.example/bruecke"
    assert "WERBUNG" not in source.text
    assert "Cookies" not in source.text


def test_broken_page_is_read_as_far_as_browsers_would() -> None:
    text = read("broken").text
    for part in ("— nobody was hurt", "“We felt a bump & then silence,”", "– two fewer", "2024 | 91,200"):
        assert part in text
    assert "SCRIPT" not in text


def test_huge_page_is_read_whole_and_in_order() -> None:
    paragraphs = [
        f"The council of town {n} voted {n * 7} times to keep its boat, said mayor {n}." for n in range(3000)
    ]
    assert extract_html(page(*paragraphs)).text == "\n\n".join(paragraphs)


def test_line_breaks_in_pairs_part_paragraphs() -> None:
    assert len(read("divs").text.split("\n\n")) == 4


@pytest.mark.parametrize("name", ["cp1252", "shift_jis"])
def test_page_in_an_old_charset_is_read(name: str) -> None:
    words = {
        "cp1252": "„Das fällt uns schwer“, sagte Bürgermeister Jörg Größl",
        "shift_jis": "「さびの上を走って",
    }
    assert words[name] in read(name).text


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("Größe".encode(), "iso-8859-1", "Größe"),  # the header is wrong, the page is UTF-8
        ("Größe „a“".encode("cp1252"), "iso-8859-1", "Größe „a“"),
        ("Größe".encode("utf-16"), None, "Größe"),
        ("\ufeffGröße".encode(), "latin-1", "Größe"),
        (b'<meta charset="windows-1251">' + "Мэр".encode("cp1251"), None, '<meta charset="windows-1251">Мэр'),
        ("Мэр".encode("koi8-r"), "koi8-r", "Мэр"),
        ("市長".encode("iso2022_jp"), "iso-2022-jp", "市長"),
        (b"caf\xe9", "x-unheard-of", "café"),
        (b"caf\xe9 \xff", "utf-8", "caf\ufffd \ufffd"),
    ],
)
def test_charset_is_found(data: bytes, charset: str | None, text: str) -> None:
    assert decode_page(data, charset) == text


@pytest.mark.parametrize("name", ["paywall", "paywall-unsaid"])
def test_beginning_of_an_article_for_subscribers_is_told_from_an_article(name: str) -> None:
    with pytest.raises(PaywallError, match="paying"):
        read(name)


def test_part_of_an_article_is_told_by_the_words_it_should_have() -> None:
    paragraphs = [f"{text} {text[::-1]}" for text in LONG] * 5
    claims = '<script type="application/ld+json">{"isAccessibleForFree": %s, "wordCount": %d}</script>'
    with pytest.raises(PaywallError):
        extract_html(page(*paragraphs, head=claims % ("false", 5000)))
    assert extract_html(page(*paragraphs, head=claims % ("true", 5000))).text


def test_short_article_about_subscribers_is_an_article() -> None:
    assert extract_html(page(*LONG, "The Ledger lost 2,000 subscribers and its readers’ trust.")).text


def test_question_about_cookies_is_no_article() -> None:
    with pytest.raises(ConsentWallError):
        read("consent")


def test_article_about_cookies_is_an_article() -> None:
    news = "The regulator fined a publisher £2m over its cookies. “Nobody read the question,” its head said."
    assert extract_html(page(news, *LONG)).text.startswith("The regulator")


@pytest.mark.parametrize(
    "html",
    [
        "<html><body></body></html>",
        "<html><body><p>Hi.</p></body></html>",
        "<html><body><div>Checking your browser. Please enable JavaScript to go on.</div></body></html>",
        "<!doctype html>",
        "\x00\x01\x02",
        "<" * 10_000,
        "<html>" + "<div>" * 5_000 + "deep",
    ],
    ids=["nothing", "a word", "check", "doctype", "binary", "brackets", "deep"],
)
def test_page_without_an_article_is_an_error(html: str) -> None:
    with pytest.raises(NoArticleError):
        extract_html(html)


def test_fragment_is_read_like_a_page() -> None:
    assert extract_html("".join(f"<p>{p}</p>" for p in LONG)).text == "\n\n".join(LONG)


def test_text_keeps_what_is_not_markup() -> None:
    family, hebrew = "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\u200fשלום\u200e"
    source = extract_html(
        page(f"Ein „Zitat“ — mit {family}, {hebrew}, soft\u00adem Strich. {LONG[0]}", *LONG[1:])
    )
    assert source.text.startswith(f"Ein „Zitat“ — mit {family}, {hebrew}, softem Strich. ")


def pdf_of(*lines: str, password: str | None = None, pages: int = 1) -> bytes:
    """A PDF with these lines of text on each page."""
    writer = pypdf.PdfWriter()
    shown = "".join(f"({line.replace('(', '[').replace(')', ']')}) Tj T* " for line in lines)
    for _ in range(pages):
        sheet = writer.add_blank_page(595, 842)
        stream = pypdf.generic.DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 14 TL 72 720 Td {shown}ET".encode("cp1252"))
        font = pypdf.generic.DictionaryObject(
            {
                pypdf.generic.NameObject("/Type"): pypdf.generic.NameObject("/Font"),
                pypdf.generic.NameObject("/Subtype"): pypdf.generic.NameObject("/Type1"),
                pypdf.generic.NameObject("/BaseFont"): pypdf.generic.NameObject("/Helvetica"),
                pypdf.generic.NameObject("/Encoding"): pypdf.generic.NameObject("/WinAnsiEncoding"),
            }
        )
        fonts = pypdf.generic.DictionaryObject({pypdf.generic.NameObject("/F1"): font})
        sheet[pypdf.generic.NameObject("/Resources")] = pypdf.generic.DictionaryObject(
            {pypdf.generic.NameObject("/Font"): fonts}
        )
        sheet[pypdf.generic.NameObject("/Contents")] = writer._add_object(stream)
    writer.add_metadata({"/Title": "A boat stays", "/Author": "Odile Brandt"})
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pdf_gives_its_text_and_what_it_says_of_itself() -> None:
    source = extract_pdf(
        pdf_of("Tarnmouth council voted on Tues-", "day to keep its lifeboat.", "It costs £310.")
    )
    assert source.text == "Tarnmouth council voted on Tuesday to keep its lifeboat.\nIt costs £310."
    assert (source.title, source.author, source.media_type) == (
        "A boat stays",
        "Odile Brandt",
        "application/pdf",
    )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", PageTypeError),
        (b"%PDF-1.7 and then nothing of the kind", PageTypeError),
        (pdf_of("A boat.")[:-300], PageTypeError),
        (pdf_of(), NoArticleError),
        (pdf_of("A boat.", pages=101), PageError),
    ],
    ids=["empty", "broken", "cut", "pictures", "long"],
)
def test_pdf_that_cannot_be_read_is_an_error(data: bytes, error: type[PageError]) -> None:
    with pytest.raises(error):
        extract_pdf(data)


def test_pdf_with_a_password_is_an_error() -> None:
    with pytest.raises(PageTypeError, match="password"):
        extract_pdf(pdf_of("A boat.", password="secret"))


@pytest.fixture
async def extractor() -> AsyncIterator[Extractor]:
    extractor = Extractor(1, max_waiting=1, timeout_s=30)
    yield extractor
    await extractor.aclose()


async def test_documents_are_read_in_one_process_after_another(extractor: Extractor) -> None:
    html = (PAGES / "broadsheet.html").read_bytes()
    first = await extractor.extract(html, "text/html", charset="utf-8", url="https://a.example/")
    assert first.url == "https://a.example/"
    assert "£310,000" in first.text
    plain = await extractor.extract(b"A boat.", "text/plain")
    assert (plain.text, plain.media_type) == ("A boat.", "text/plain")
    pdf = await extractor.extract(pdf_of("A boat stays."), "application/pdf")
    assert pdf.text == "A boat stays."


async def test_error_tells_how_the_document_came(extractor: Extractor) -> None:
    with pytest.raises(NoArticleError) as of_html:
        await extractor.extract(b"<html></html>", "text/html")
    with pytest.raises(NoArticleError) as of_url:
        await extractor.extract(b"<html></html>", "text/html", url="https://a.example/")
    assert (of_html.value.field, of_url.value.field) == ("html", "url")
    assert of_html.value.remedy == "send the article's text as `text`"


async def test_document_that_takes_too_long_is_given_up_and_the_next_one_read() -> None:
    slow = f"<html><body><p {' '.join(f'a{n}' for n in range(200_000))}>x</p></body></html>"
    extractor = Extractor(1, timeout_s=1.5)
    try:
        with pytest.raises(PageTimeoutError, match="to read"):
            await extractor.extract(slow.encode(), "text/html")
        assert (await extractor.extract(b"A boat.", "text/plain")).text == "A boat."
    finally:
        await extractor.aclose()


async def test_process_that_was_killed_is_replaced(extractor: Extractor) -> None:
    await extractor.extract(b"A boat.", "text/plain")
    process = extractor._idle[0]._process
    assert process is not None
    process.kill()
    await process.wait()
    assert (await extractor.extract(b"A boat.", "text/plain")).text == "A boat."


async def test_no_more_than_a_few_documents_wait(extractor: Extractor) -> None:
    reading = [asyncio.create_task(extractor.extract(b"A boat.", "text/plain")) for _ in range(2)]
    await asyncio.sleep(0)  # both have begun
    with pytest.raises(IntakeBusyError):
        await extractor.extract(b"A boat.", "text/plain")
    assert [source.text for source in await asyncio.gather(*reading)] == ["A boat.", "A boat."]


async def test_caller_who_leaves_ends_the_reading(extractor: Extractor) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await extractor.extract(b"A boat.", "text/plain")
    assert (await extractor.extract(b"A boat.", "text/plain")).text == "A boat."


async def test_reader_gets_no_secret_of_ours(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    await extractor.extract(b"A boat.", "text/plain")
    process = extractor._idle[0]._process
    assert process is not None
    environment = await asyncio.to_thread(Path(f"/proc/{process.pid}/environ").read_bytes)
    assert b"sk-secret" not in environment
