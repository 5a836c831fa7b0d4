"""All endpoints with requests that fit the OpenAPI document and that do not: `python -m bench fuzz_api`.

Schemathesis makes the requests; they are sent with a key of all scopes, with one of none, and without. No
answer may be a 5xx, but for `only-if-cached` without a result; no error may repeat what was sent, a key, or a
place in the code; and the service may not grow.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
import warnings
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeAlias

import hypothesis
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from bench.harness import Process, Row, mock_llm, service, show
from service.callers import ALL_SCOPES, Limits
from service.keys import create

MARKER: Final = "Zephyrinequolt"
# What tells of the code; a request may have it too, as Hypothesis draws from the words of this very file.
PLACES: Final = ("Traceback", 'File "', "site-packages")
WARM_SHARE: Final = 0.2

Case: TypeAlias = Any  # Schemathesis's own is generic over more than matters here


class Fuzz:
    """A service under fire, what it answered, and what it should not have."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        keys_file = folder / "keys.json"
        _, self.all_scopes = create(keys_file, "all", sorted(ALL_SCOPES), Limits())
        _, no_scope = create(keys_file, "none", [], Limits(requests_per_minute=100_000))
        self.keys: list[str | None] = [self.all_scopes, no_scope, None]
        mock = stack.enter_context(mock_llm())
        self.server: Process = stack.enter_context(
            service(
                mock.url,
                model="mock",
                keys_file=keys_file,
                fetch="off",
                jobs_url=f"sqlite:///{folder}/jobs.sqlite3",
            )
        )
        self.session = stack.enter_context(requests.Session())
        self.session.trust_env = False
        self.statuses: Counter[int] = Counter()
        self.faults: list[str] = []

    def send(self, case: Case, key: str | None) -> None:
        """Send one request and look at the answer."""
        if isinstance(case.body, dict) and isinstance(case.body.get("text"), str):
            case.body = case.body | {"text": f"{case.body['text']}{MARKER}"}
        given = case.as_transport_kwargs(base_url=self.server.url)
        headers = dict(given.pop("headers", None) or {})
        headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        try:
            answer = self.session.request(**given, headers=headers, timeout=30)
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError):
            return  # what HTTP itself cannot carry
        self.statuses[answer.status_code] += 1
        self._judge(answer, case, key)

    def _judge(self, answer: requests.Response, case: Case, key: str | None) -> None:
        where = f"{case.method} {case.path} {answer.status_code}"
        not_cached = answer.status_code == 504 and "only-if-cached" in str(case.headers or "").lower()
        if answer.status_code >= 500 and not not_cached:
            self.faults.append(f"{where}: {answer.text[:200]}")
        if answer.status_code >= 400:
            sent = f"{case.body} {case.query} {case.headers} {case.path_parameters}"
            places = (place for place in PLACES if place not in sent)
            secrets = (MARKER, *places, *(key for key in self.keys if key))
            self.faults += [f"{where} repeats {s[:12]}" for s in secrets if s in answer.text]
            if answer.headers.get("Content-Type") != "application/problem+json" and answer.text:
                self.faults.append(f"{where} is no problem: {answer.text[:100]}")
        if key is None and answer.status_code < 400 and case.path not in ("/healthz", "/readyz"):
            self.faults.append(f"{where} without a key")


def run(fuzz: Fuzz, cases: int) -> tuple[float, float]:
    """Send so many cases; the service's memory after a fifth of them and at the end, in MiB."""
    document: dict[str, Any] = requests.get(f"{fuzz.server.url}/schema", timeout=10).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    kinds = list(itertools.product((GenerationMode.POSITIVE, GenerationMode.NEGATIVE), fuzz.keys))
    warm = 0.0
    for share in (WARM_SHARE, 1 - WARM_SHARE):
        each = max(round(cases * share / len(operations) / len(kinds)), 1)
        for operation, (mode, key) in itertools.product(operations, kinds):
            fire(fuzz, operation.as_strategy(generation_mode=mode), key, each)
        warm = warm or fuzz.server.resident_mib
    while (
        missing := cases - sum(fuzz.statuses.values())
    ) > 0:  # some have fewer cases than they were to have
        for operation in operations:
            fire(fuzz, operation.as_strategy(), fuzz.all_scopes, missing // len(operations) + 1)
    return warm, fuzz.server.resident_mib


def fire(fuzz: Fuzz, strategy: Any, key: str | None, times: int) -> None:  # noqa: ANN401 - Schemathesis's own
    """Send `times` cases of a strategy."""

    @hypothesis.settings(
        max_examples=times,
        database=None,
        deadline=None,
        print_blob=False,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy)
    def shoot(case: Case) -> None:
        fuzz.send(case, key)

    # Nothing can be wrong about some, such as a GET without parameters.
    with contextlib.suppress(hypothesis.errors.Unsatisfiable, schemathesis.errors.InvalidSchema):
        shoot()


def main() -> None:
    """Print the table, and whatever was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="standfirst-bench-")))
        fuzz = Fuzz(stack, folder)
        warm, end = run(fuzz, options.cases)
    sent = sum(fuzz.statuses.values())
    note = ", ".join(f"{status}: {count}" for status, count in sorted(fuzz.statuses.items()))
    show(
        [
            Row("requests", sent, options.cases, at_least=True, note=note),
            Row("faults", len(fuzz.faults), 0),
            Row("memory at the end: against a fifth of the way", end / warm, 1.1, note=f"{end:.0f} MiB"),
        ]
    )
    for fault in list(dict.fromkeys(fuzz.faults))[:20]:
        print(f"  {fault}")


if __name__ == "__main__":
    main()
