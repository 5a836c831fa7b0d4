"""All benchmarks, one after the other: `python -m bench [NAME …]`.

Those that need annotated articles take `../shared/news/articles.jsonl`, or the file that the variable
STANDFIRST_BENCH_ARTICLES names. Where there is none they are left out, with a line that says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ARTICLES = Path(os.environ.get("STANDFIRST_BENCH_ARTICLES", "../shared/news/articles.jsonl"))
# Name, arguments, and whether the articles are needed.
_BENCHMARKS: dict[str, tuple[list[str], bool]] = {
    "quotes_accuracy": ([str(_ARTICLES), "--holdout"], True),
    "fact_check": ([str(_ARTICLES)], True),
    "summary_check": ([], False),
    "grounding_cost": ([], False),
    "reading_cost": ([], False),
    "chunking": ([], False),
    "llm_path": ([], False),
    "hit_path": ([], False),
    "limits": ([], False),
    "fuzz_api": ([], False),
    "footprint": ([], False),
    "slack_shows": (["--acknowledgements"], False),
    "hostile_urls": ([], False),
    "soak": ([], False),
    "fault_matrix": ([], False),
    "kill9": ([], False),
}


def main() -> None:
    wanted = sys.argv[1:] or list(_BENCHMARKS)
    if unknown := [name for name in wanted if name not in _BENCHMARKS]:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(_BENCHMARKS)}")
    failed = []
    for name in wanted:
        arguments, needs_articles = _BENCHMARKS[name]
        print(f"\n== {name}", flush=True)
        if needs_articles and not _ARTICLES.exists():
            print(f"left out: there is no {_ARTICLES}")
        elif subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
