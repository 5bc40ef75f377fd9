"""Worker of the other side: KenLM scores lines, on one core. Runs in an environment that has kenlm.

Prints one line of JSON: seconds of each sample, and the scores.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import kenlm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("lines", type=Path, help="a list of strings as JSON")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--core", type=int)
    given = parser.parse_args()
    if given.core is not None:
        os.sched_setaffinity(0, {given.core})
    lines = json.loads(given.lines.read_text(encoding="utf-8"))
    model = kenlm.Model(str(given.model))
    samples, scores = [], []
    for k in range(given.repeat + 1):  # the first is to warm up
        cpu = time.process_time()
        scores = [model.score(line) for line in lines]
        if k:
            samples.append({"cpu_s": time.process_time() - cpu})
    sys.stdout.write(json.dumps({"samples": samples, "scores": scores}) + "\n")


if __name__ == "__main__":
    main()
