"""Histograms for what each request passes: a fifth of the cost of the client library's own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Durations:
    """Durations in seconds with one set of labels. Only the event loop adds; a scrape may be one behind."""

    __slots__ = ("_bounds", "counts", "total_s")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total_s += seconds


class DurationsCollector(Collector):
    """A family of `Durations`, which Prometheus sees as a histogram, and as a counter if `counter` names one.

    Args:
        name: Of the histogram.
        text: What is counted.
        bounds: Upper bounds of the buckets, in seconds, without the last one.
        labels: Names of the labels.
        counter: Name of a counter of all of them, without `_total`.
    """

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str], counter: str = ""
    ) -> None:
        self._name, self._text, self._counter = name, text, counter
        self._bounds = tuple(bounds)
        self.labels = tuple(labels)
        self._children: dict[tuple[str, ...], Durations] = {}

    def child(self, values: tuple[str, ...]) -> Durations:
        """The durations with these values of the labels."""
        found = self._children.get(values)
        if found is None:
            found = self._children[values] = Durations(self._bounds)
        return found

    def describe(self) -> Iterable[Metric]:
        """The families, empty."""
        yield HistogramMetricFamily(self._name, self._text, labels=self.labels)
        if self._counter:
            yield CounterMetricFamily(self._counter, self._text, labels=self.labels)

    def collect(self) -> Iterable[Metric]:
        """The families, with what was counted."""
        histogram = HistogramMetricFamily(self._name, self._text, labels=self.labels)
        totals: dict[tuple[str, ...], int] = {}
        for values, durations in list(self._children.items()):
            counts, total_s, seen = list(durations.counts), durations.total_s, 0
            buckets = []
            for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
                seen += count
                buckets.append((str(floatToGoString(bound)), seen))  # type: ignore[no-untyped-call]
            histogram.add_metric(values, buckets, total_s)
            totals[values] = seen
        yield histogram
        if self._counter:
            counter = CounterMetricFamily(self._counter, self._text, labels=self.labels)
            for values, count in totals.items():
                counter.add_metric(values, count)
            yield counter
