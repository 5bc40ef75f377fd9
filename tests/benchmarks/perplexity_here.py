"""Worker of our side: models of some documents are trained, then the pieces of others are scored, on one core.

Prints one line of JSON: where the model and the lines stand, seconds of each sample, the scores, and what the whole
signal takes.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

HERE = Path(__file__).parent
sys.path += [str(HERE.parents[1]), str(HERE.parent)]  # this is no package, and tests/ has none

from references.ccnet import make_models  # noqa: E402
from sentencepiece import SentencePieceProcessor  # noqa: E402

from curation.signals.perplexity import Perplexity  # noqa: E402
from curation.text.batch import TextBatch  # noqa: E402
from curation.text.ccnet_plain import plain_form  # noqa: E402
from curation.text.kenlm import load_language_model  # noqa: E402

PIECES, ORDER = 8000, 5
TRAINED_ON = 0.3
"""Share of the documents that the models see: of more, plain Python would count for minutes."""


def timed(run: Callable[[], object], repeat: int) -> list[dict[str, float]]:
    """Processor seconds of each sample, after one to warm up."""
    samples = []
    for _ in range(repeat + 1):
        cpu = time.process_time()
        run()
        samples.append({"cpu_s": time.process_time() - cpu})
    return samples[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", type=Path)
    parser.add_argument("work", type=Path, help="a folder for the models and the lines")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--core", type=int, required=True)
    given = parser.parse_args()
    os.sched_setaffinity(0, {given.core})
    texts = [orjson.loads(line)["text"] for line in given.documents.read_bytes().splitlines()]
    model = given.work / "en.arpa.bin"
    if not model.exists():
        make_models(given.work, "en", texts[: int(TRAINED_ON * len(texts))], pieces=PIECES, order=ORDER)
    pieces = SentencePieceProcessor(model_file=str(given.work / "en.sp.model"))
    lines = [" ".join(found) for found in pieces.encode([plain_form(text) for text in texts], out_type=str)]
    lines_file = given.work / "lines.json"
    lines_file.write_text(json.dumps(lines), encoding="utf-8")
    loaded, batch = load_language_model(model), TextBatch.from_texts(lines)
    signal, documents = Perplexity.of(str(given.work), languages=("en",)), TextBatch.from_texts(texts)
    told = {
        "model": str(model),
        "lines": str(lines_file),
        "words": sum(len(line.split()) for line in lines),
        "samples": timed(lambda: loaded.score(batch), given.repeat),
        "scores": loaded.score(batch).tolist(),
        "whole": timed(lambda: signal.measure(documents), 2),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
