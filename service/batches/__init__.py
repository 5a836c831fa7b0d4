"""Batches of articles: durable, resumable, within a budget."""

from service.batches.batches import Batches
from service.batches.lines import RawLine, split_lines
from service.batches.models import Batch, BatchPage, Delivery, Estimate, LineError, Receipt, Submission

__all__ = [
    "Batch",
    "BatchPage",
    "Batches",
    "Delivery",
    "Estimate",
    "LineError",
    "RawLine",
    "Receipt",
    "Submission",
    "split_lines",
]
