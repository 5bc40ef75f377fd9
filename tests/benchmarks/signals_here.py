"""Worker: every signal over documents in memory, in turn, on one core. Prints one line of JSON: CPU seconds by signal.

What a signal asks of `TextBatch` is split once for all, as in the engine: that is measured under `shared splits`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from curation.signals import c4, curator, cuts, fineweb, gopher, language, mc4, pii, redpajama, repetition, slimpajama
from curation.signals.contamination import Contamination
from curation.signals.contamination_index import ContaminationIndex, EvaluationItem
from curation.signals.signal import Signal, column_of
from curation.signals.url import Url
from curation.text.batch import TextBatch

BATCH = 4096  # documents, as the engine's Arrow batches have
NUM_DOMAINS, NUM_BAD_WORDS = 100_000, 400
ITEM_CHARS = 400


def earlier() -> list[Signal]:
    """The signals that FineWeb's recipe and Gopher's have."""
    return [gopher.Gopher(), repetition.Repetition(), c4.C4(), fineweb.FineWeb(), language.Language()]


def later(texts: list[str], folder: Path) -> list[Signal]:
    """The signals that came with reading crawls; lists and evaluation sets are made up of the documents' own words."""
    words = sorted({word.lower() for text in texts[::50] for word in text.split() if word.isalpha()})
    listed = words[:: max(1, len(words) // NUM_BAD_WORDS)][:NUM_BAD_WORDS]
    (folder / "bad_words").write_text("\n".join(listed))
    (folder / "domains").write_text("\n".join(f"{k}.example" for k in range(NUM_DOMAINS)))
    (folder / "soft").write_text("\n".join(listed))
    # Most items are in no document; one document in a thousand holds one.
    backwards = (" ".join(reversed(text[:ITEM_CHARS].split())) for text in texts[::10])
    contained = (text[-ITEM_CHARS:] for text in texts[::1000])
    items = tuple(EvaluationItem("made", str(k), text) for k, text in enumerate([*contained, *backwards]))
    (folder / "index").write_bytes(ContaminationIndex(items=items, size=13).to_bytes())
    return [
        redpajama.RedPajama.of(bad_words=str(folder / "bad_words")),
        curator.Curator(),
        pii.Pii(),
        mc4.MC4(),
        slimpajama.SlimPajama(),
        cuts.Cuts(),
        Contamination.of(str(folder / "index")),
        Url.of(lists=str(folder / "domains"), soft_words=str(folder / "soft")),
    ]


def splits(batch: TextBatch) -> object:
    """What several signals ask for."""
    return batch.words, batch.lines, batch.num_chars, batch.unicode_words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", type=Path)
    parser.add_argument("folder", type=Path, help="for lists that are made")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--core", type=int, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    texts = [orjson.loads(line)["text"] for line in given.documents.read_bytes().splitlines()]
    urls = [f"https://www.{k * 7}.example/some/path-{k}" for k in range(len(texts))]
    columns = {"text": texts, "url": urls}
    signals = {"earlier": earlier(), "later": later(texts, given.folder)}
    steps: dict[str, tuple[str, Callable[[TextBatch], Any]]] = {"shared splits": ("text", splits)}
    for signal in [*signals["earlier"], *signals["later"]]:
        signal.open()
        steps[signal.name] = (column_of(signal), signal.measure)
    samples: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(given.repeat + 1):  # the first is a warm-up: kernels compiled or loaded, tables built
        spent = dict.fromkeys(steps, 0.0)
        for i in range(0, len(texts), BATCH):
            batches = {name: TextBatch.from_arrow(pa.array(values[i : i + BATCH])) for name, values in columns.items()}
            for name, (column, measure) in steps.items():
                before = time.process_time()
                measure(batches[column])
                spent[name] += time.process_time() - before
        if number:
            for name, seconds in spent.items():
                samples[name].append(seconds)
    groups = {group: [signal.name for signal in found] for group, found in signals.items()}
    sys.stdout.write(json.dumps({"samples": samples, "groups": groups}) + "\n")


if __name__ == "__main__":
    main()
