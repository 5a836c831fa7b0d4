"""What the checks did to one summary, in numbers: for metrics, which must never see an article's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from service.models import (
    Attribution,
    FindingKind,
    FindingReason,
    RejectionReason,
    RevisionAction,
    RevisionReason,
    Summary,
    Support,
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by labels that all come from bounded sets; what did not happen is absent.

    `findings` counts those of the sentences shown and those of the sentences that were mended or dropped.
    `warnings` are counted by code.
    """

    support: Mapping[Support, int]
    findings: Mapping[tuple[FindingKind, FindingReason], int]
    revisions: Mapping[tuple[RevisionAction, RevisionReason], int]
    rejected_quotes: Mapping[RejectionReason, int]
    attributions: Mapping[Attribution, int]
    warnings: Mapping[str, int]


def tally(summary: Summary) -> Tally:
    """Count what `summary` reports of itself."""
    findings = [f for s in summary.sentences for f in s.unsupported]
    findings += [f for r in summary.revisions for f in r.unsupported]
    return Tally(
        support=Counter(s.support for s in summary.sentences),
        findings=Counter((f.kind, f.reason) for f in findings),
        revisions=Counter((r.action, r.reason) for r in summary.revisions),
        rejected_quotes=Counter(r.reason for r in summary.rejected_quotes),
        attributions=Counter(q.attribution for q in summary.key_quotes),
        warnings=Counter(n.code for n in summary.warnings),
    )
