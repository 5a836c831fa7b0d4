from __future__ import annotations

from datetime import UTC, datetime

from service.models import (
    ArticleInfo,
    Finding,
    Notice,
    Quote,
    RejectedQuote,
    Revision,
    Sentence,
    Summary,
    Support,
    Usage,
)
from service.tally import tally

YEAR = Finding(text="1987", start=8, end=12, kind="date", reason="not_in_article")
UNIT = Finding(text="40 km", start=0, end=5, kind="number", reason="other_unit")


def sentence(text: str, support: Support, *findings: Finding) -> Sentence:
    return Sentence(text=text, support=support, evidence=[], unsupported=list(findings), not_checked=[])


def test_findings_repairs_drops_rejections_and_warnings_are_all_counted() -> None:
    summary = Summary(
        id="x",
        summary="",
        sentences=[sentence("40 km of quay.", "facts_found"), sentence("40 km of rail.", "partial", UNIT)],
        key_quotes=[Quote(text="No", start=0, end=2, kind="quotation", speaker=None)],
        rejected_quotes=[
            RejectedQuote(text="q9", reason="unknown_id"),
            RejectedQuote(text="q8", reason="unknown_id"),
        ],
        revisions=[
            Revision(text="Built in 1987.", action="repaired", reason="unsupported", unsupported=[YEAR]),
            Revision(text="Twice.", action="dropped", reason="repeated", unsupported=[]),
        ],
        degraded=False,
        warnings=[Notice(code="hidden_text", message="some of the article's words")],
        style="brief",
        language="en",
        policy="strict",
        model="m",
        prompt=None,
        article=ArticleInfo(digest="sha256:0", tokens=9, chunks=1, truncated=False),
        usage=Usage(),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    counted = tally(summary)
    assert counted.support == {"facts_found": 1, "partial": 1}
    assert counted.findings == {("number", "other_unit"): 1, ("date", "not_in_article"): 1}
    assert counted.revisions == {("repaired", "unsupported"): 1, ("dropped", "repeated"): 1}
    assert counted.rejected_quotes == {"unknown_id": 2}
    assert counted.attributions == {"none": 1}
    assert counted.warnings == {"hidden_text": 1}
