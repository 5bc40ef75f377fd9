"""The peers' answers about some hundred documents, recorded, so that no peer is needed to compare with them.

`python -m conformance.recorded`, in the folder of the tests, asks the peers anew and writes the file (a quarter of an
hour). The texts are not in it: they are read from `../shared` and told by their digests.
"""

import gzip
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance import workers
from conformance.documents import Document, hard_documents, real_documents
from references.packing import gzipped

HERE = Path(__file__).parent
FILE = HERE / "recorded.jsonl.gz"
PER_REASON, HARD, ALL = 5, 60, 420
_DIGITS = 9

Answers = dict[str, dict[str, Any]]
"""By peer and family: a decision and values."""


def read() -> tuple[dict[str, str], dict[str, tuple[str, Answers]]]:
    """The peers' versions; digest and answers by the document's id."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        versions, *rows = map(json.loads, lines)
    return versions, {row["id"]: (row["digest"], row["answers"]) for row in rows}


def choose(documents: Sequence[Document], answers: Sequence[Answers]) -> list[int]:
    """Places of the documents to keep: for each reason of each family some short ones, the rest drawn evenly."""
    chosen: set[int] = set()
    seen: Counter[tuple[str, str, str]] = Counter()
    for place in sorted(range(len(documents)), key=lambda place: (len(documents[place].text), place)):
        for peer, families in answers[place].items():
            for family, answer in families.items():
                for reason in answer.get("reasons", [answer.get("reason")]):
                    key = peer, family, str(reason)
                    seen[key] += 1
                    if seen[key] <= PER_REASON:
                        chosen.add(place)
    missing = max(ALL - len(chosen), 1)
    rest = [place for place in range(len(documents)) if place not in chosen]
    return sorted(chosen | set(rest[:: max(len(rest) // missing, 1)]))


def write(documents: Sequence[Document], answers: Sequence[Answers], versions: Mapping[str, str]) -> int:
    """Record answers about the documents that are chosen; gives how many."""
    hard = [place for place, one in enumerate(documents) if one.id.startswith("hard:")][:HARD]
    real = [place for place, one in enumerate(documents) if not one.id.startswith("hard:")]
    places = [real[n] for n in choose([documents[n] for n in real], [answers[n] for n in real])] + hard
    lines = [json.dumps(dict(versions))]
    for place in places:
        row = {"id": documents[place].id, "digest": documents[place].digest, "answers": _rounded(answers[place])}
        lines.append(json.dumps(row, separators=(",", ":")))
    FILE.write_bytes(gzipped("\n".join(lines).encode() + b"\n", 9))
    return len(places)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, _DIGITS) if isinstance(value, float) else value


def main() -> None:
    """Ask all peers about all documents, and record."""
    documents = [*real_documents(workers.SHARED), *hard_documents()]
    with tempfile.TemporaryDirectory() as work:
        found = {peer: workers.ask(peer, documents, Path(work)) for peer in workers.KINDS}
    answers = [dict(zip(found, each, strict=True)) for each in zip(*found.values(), strict=True)]
    count = write(documents, answers, {peer: workers.pinned(peer) for peer in workers.KINDS})
    print(f"{count} documents recorded in {FILE.name}, {FILE.stat().st_size / 1e3:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
