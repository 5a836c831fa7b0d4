"""The shapes that cross the HTTP boundary, shared by every edge and by the pipeline.

Offsets count Unicode code points from 0, half-open, in the article exactly as submitted:
`article[start:end]` in Python, never bytes and never UTF-16 units.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

Style: TypeAlias = Literal["brief", "standfirst", "bullets"]
Policy: TypeAlias = Literal["strict", "flag", "off"]
Support: TypeAlias = Literal["supported", "facts_found", "partial", "unsupported", "unchecked"]
QuotationRole: TypeAlias = Literal["speech", "fragment", "title", "scare"]
QuoteKind: TypeAlias = Literal["quotation", "passage"]
RevisionAction: TypeAlias = Literal["repaired", "dropped"]
RevisionReason: TypeAlias = Literal["unsupported", "repeated", "over_limit", "wrong_language", "instruction"]
RejectionReason: TypeAlias = Literal["unknown_id", "not_in_article", "repeated", "over_limit"]
Attribution: TypeAlias = Literal["agreed", "code_only", "model_only", "conflict", "none"]
FindingKind: TypeAlias = Literal["number", "date", "name"]
FindingReason: TypeAlias = Literal[
    "not_in_article",
    "in_part",
    "other_unit",
    "other_noun",
    "other_name",
    "other_number",
    "other_date",
    "elsewhere",
]
NotChecked: TypeAlias = Literal["wording", "names", "facts"]
Role: TypeAlias = Literal["system", "user", "assistant"]
MetadataValue: TypeAlias = str | int | float | bool | None

ONE_FORM = "an article comes as one of `text`, `html` and `url`"
LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


class Message(Struct, frozen=True, kw_only=True):
    """One message of a chat completion; `content` is plain text."""

    role: Role
    content: str


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of the article, `article[start:end]`."""

    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Speaker(Struct, frozen=True, kw_only=True):
    """Who said a quote: a name that stands in the article, at `article[start:end]`."""

    name: str
    start: int
    end: int


class Quote(Struct, frozen=True, kw_only=True):
    """Words of the article, `text == article[start:end]`, without the quotation marks around them."""

    text: str
    start: int
    end: int
    kind: Annotated[
        QuoteKind,
        Meta(description="`quotation` stands in quotation marks in the article; `passage` is a sentence"),
    ]
    speaker: Speaker | None
    attribution: Annotated[
        Attribution,
        Meta(
            description="Who named the speaker: code and model alike, one of them alone, both but "
            "differently (`conflict`: the speaker shown is the one that code found), or nobody"
        ),
    ] = "none"
    other_speaker: Annotated[
        Speaker | None, Meta(description="On `conflict`: whom the model named instead")
    ] = None


class RejectedQuote(Struct, frozen=True, kw_only=True):
    """Something that the model proposed as a quote and that is not shown as one."""

    text: Annotated[str, Meta(description="What the model proposed: an id or a text")]
    reason: RejectionReason


class Finding(Struct, frozen=True, kw_only=True):
    """A fact of a summary sentence that the article does not bear out; offsets are within the sentence."""

    text: str
    start: int
    end: int
    kind: FindingKind
    reason: Annotated[
        FindingReason,
        Meta(
            description="Stable code. `not_in_article`. `in_part`: the article has a person's last name "
            "alone. `other_unit`, `other_noun`: there with another unit or thing counted. `other_name`, "
            "`other_number`, `other_date`: another one stands there. `elsewhere`: in the article, but far "
            "from what the sentence rests on"
        ),
    ]


class Sentence(Struct, frozen=True, kw_only=True):
    """A sentence of the summary, with what was looked up of it."""

    text: str
    support: Annotated[
        Support,
        Meta(
            description="`supported`: stands in the article word for word. `facts_found`: its numbers, dates "
            "and names were looked up and found together; nothing is claimed about its wording. `partial`: "
            "found, but not together, or with another unit. `unsupported`: see `unsupported`. `unchecked`: "
            "nothing in it could be looked up, or checks are off"
        ),
    ]
    evidence: Annotated[list[Span], Meta(description="Passages of the article that it rests on, best first")]
    unsupported: list[Finding]
    not_checked: Annotated[
        list[NotChecked],
        Meta(
            description="`wording`: what the sentence claims beyond its numbers, dates and names. "
            "`names`: in its script, names cannot be told from other words. `facts`: not all were looked up"
        ),
    ]


class Revision(Struct, frozen=True, kw_only=True):
    """A sentence that the model wrote and that does not stand in the summary as it wrote it."""

    text: str
    action: RevisionAction
    reason: RevisionReason
    unsupported: list[Finding]


class Notice(Struct, frozen=True, kw_only=True):
    """Something that the caller should know about the result."""

    code: Annotated[str, Meta(description="Stable code")]
    message: str


class PromptReference(Struct, frozen=True, kw_only=True):
    """The prompt template that made a result; `digest` is that of its file."""

    name: str
    version: int
    digest: str


class Source(Struct, frozen=True, kw_only=True):
    """The article in a web page or document, as it was extracted."""

    text: Annotated[str, Meta(description="The article; all offsets refer to it")]
    title: str | None = None
    author: str | None = None
    published: Annotated[str | None, Meta(description="Date of publication, `YYYY-MM-DD`")] = None
    language: Annotated[str | None, Meta(description="BCP 47 tag that the page says of itself")] = None
    site: Annotated[str | None, Meta(description="Name of the publication")] = None
    url: Annotated[str | None, Meta(description="Where it came from, after redirects")] = None
    canonical_url: Annotated[str | None, Meta(description="What the page calls its own address")] = None
    media_type: Annotated[str, Meta(description="What it was extracted from")] = "text/html"
    fetched_at: Annotated[datetime | None, Meta(description="When its server last confirmed it")] = None


class ArticleInfo(Struct, frozen=True, kw_only=True):
    """What is known of the article after reading it."""

    digest: Annotated[str, Meta(description="`sha256:` and the hex digest of the text in UTF-8")]
    tokens: Annotated[int, Meta(description="By the encoding that the catalogue names for the model")]
    chunks: Annotated[int, Meta(description="Pieces that the article was read in; 1 if it fitted one call")]
    truncated: Annotated[bool, Meta(description="Whether a part was left out; `warnings` says which")]


class Usage(Struct, frozen=True, kw_only=True):
    """What a result cost when it was made; a cached result costs nothing again."""

    llm_calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: Annotated[int, Meta(description="Those read from the provider's cache")] = 0
    output_tokens: int = 0
    cost_usd: Annotated[float | None, Meta(description="null where the model's price is not known")] = 0.0


class Summary(Struct, frozen=True, kw_only=True):
    """A draft that went through grounding."""

    id: str
    summary: str
    sentences: list[Sentence]
    key_quotes: list[Quote]
    rejected_quotes: list[RejectedQuote]
    revisions: Annotated[list[Revision], Meta(description="What the model wrote and the checks changed")]
    degraded: Annotated[bool, Meta(description="Whether the extractive summarizer stood in for the model")]
    warnings: list[Notice]
    style: Style
    language: Annotated[str, Meta(description="BCP 47 tag of the summary's language; `und` if unknown")]
    policy: Policy
    model: str
    prompt: PromptReference | None
    article: ArticleInfo
    usage: Usage
    created_at: datetime
    source: Annotated[
        Source | UnsetType, Meta(description="For `html` and `url`: the article that was extracted")
    ] = UNSET
    article_id: str | UnsetType = UNSET
    metadata: dict[str, MetadataValue] | UnsetType = UNSET


_Text = Annotated[str, Meta(min_length=1, description="The article, exactly as offsets will refer to it")]
_Html = Annotated[
    str, Meta(min_length=1, description="A web page; offsets refer to the article in it, see `source`")
]
_Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="Where to fetch a page, plain text or PDF; see `source` for the article in it",
        examples=["https://news.example/bridge"],
    ),
]
_Title = Annotated[str, Meta(max_length=1000, description="The article's headline; the model sees it")]
LanguageTag = Annotated[
    str,
    Meta(
        pattern=LANGUAGE_PATTERN,
        max_length=35,
        description="BCP 47 tag of the language to write in; without it, the article's own",
        examples=["en", "pt-BR"],
    ),
]
MaxQuotes = Annotated[int, Meta(ge=0, le=20, description="Most key quotes in the result")]
PromptName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        description="Prompt as `name`, `name@version` or `name@label`; without it, one that suits the model",
        examples=["article", "article@1"],
    ),
]
ModelName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="Model to ask; `extractive` asks none. Without it, the one of the settings",
        examples=["extractive"],
    ),
]
_ArticleId = Annotated[
    str, Meta(min_length=1, max_length=200, description="The caller's own id; returned as it came")
]
_Metadata = Annotated[
    dict[str, MetadataValue], Meta(max_length=50, description="The caller's own data; returned as it came")
]


class ArticleInput(Struct, kw_only=True, forbid_unknown_fields=True):
    """An article in exactly one of three forms; anything else is a ValueError."""

    text: _Text | None = None
    html: _Html | None = None
    url: _Url | None = None

    def __post_init__(self) -> None:
        """Check that there is one of them."""
        if (self.text is not None) + (self.html is not None) + (self.url is not None) != 1:
            raise ValueError(ONE_FORM)


class SummaryRequest(ArticleInput, kw_only=True, forbid_unknown_fields=True):
    """An article, as one of `text`, `html` and `url`, and how to summarize it."""

    title: _Title | None = None
    style: Annotated[
        Style,
        Meta(
            description="`brief`: a few sentences. `standfirst`: one. `bullets`: a list of single sentences"
        ),
    ] = "brief"
    max_quotes: MaxQuotes = 5
    language: LanguageTag | None = None
    prompt: PromptName | None = None
    model: ModelName | None = None
    policy: Annotated[
        Policy | None,
        Meta(
            description="What becomes of facts that the article does not bear out. `flag`: marked. `strict`: "
            "mended once, then dropped. `off`: nothing is checked. Without it, the one of the settings"
        ),
    ] = None
    article_id: _ArticleId | None = None
    metadata: _Metadata | None = None


class QuotesRequest(ArticleInput, kw_only=True, forbid_unknown_fields=True):
    """An article, as one of `text`, `html` and `url`, whose quotations are wanted."""

    article_id: _ArticleId | None = None
    metadata: _Metadata | None = None


class FoundQuote(Struct, frozen=True, kw_only=True):
    """A quotation of the article, `text == article[start:end]`, without its marks."""

    text: str
    start: int
    end: int
    role: Annotated[
        QuotationRole,
        Meta(
            description="`speech`: somebody's words. `fragment`: a few of them inside a sentence. `title`: "
            "the name or motto of a work, a law, a campaign. `scare`: words held at a distance or explained"
        ),
    ]
    speaker: Speaker | None


class FoundQuotes(Struct, frozen=True, kw_only=True):
    """All quotations of an article, in its order."""

    quotes: list[FoundQuote]
    language: str
    article_digest: Annotated[str, Meta(description="`sha256:` and the hex digest of the text in UTF-8")]
    source: Annotated[
        Source | UnsetType, Meta(description="For `html` and `url`: the article that was extracted")
    ] = UNSET
    article_id: str | UnsetType = UNSET
    metadata: dict[str, MetadataValue] | UnsetType = UNSET


class Removed(Struct, frozen=True, kw_only=True):
    """How many summaries were there to remove."""

    removed: int


class Health(Struct, frozen=True, kw_only=True):
    """How the service is; `problems` names parts that do less than they should, and why."""

    status: Literal["ok", "degraded", "starting"]
    problems: dict[str, str]
