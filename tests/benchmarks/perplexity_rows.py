"""Rows of perplexity: n-gram scores beside KenLM's own, one core, pieces in memory."""

import documents
from measured import Bench, spread

MEGABYTES = 8


def perplexity(bench: Bench) -> None:
    """Ours, KenLM, ours again, on the same model and the same lines, and whether every score is the same."""
    chosen = documents.first_megabytes(bench.documents, MEGABYTES)
    path = documents.write_jsonl(chosen, bench.work / "perplexity.jsonl")
    models = bench.work / "lm_sp"
    models.mkdir()
    core = bench.cores[-1]
    here = ("perplexity_here.py", path, models, "--core", core, "--repeat", 2 * bench.repeat)
    first, _ = bench.worker(*here)
    other, _ = bench.worker(
        "perplexity_peer.py", first["model"], first["lines"], "--core", core, "--repeat", 2 * bench.repeat, peer="kenlm"
    )
    again, _ = bench.worker(*here)
    seconds = [sample["cpu_s"] for sample in first["samples"] + again["samples"]]
    peer_seconds = [sample["cpu_s"] for sample in other["samples"]]
    whole = min(sample["cpu_s"] for sample in first["whole"] + again["whole"])
    bench.details["perplexity"] = {
        "words": first["words"],
        "cpu_s": spread(seconds),
        "peer_cpu_s": spread(peer_seconds),
    }
    million = first["words"] / 1e6
    bench.compare(
        "n-gram scores of pieces, one core",
        million / min(seconds),
        "KenLM",
        million / min(peer_seconds),
        1,
        "M words/s",
    )
    same = sum(a == b for a, b in zip(first["scores"], other["scores"], strict=True)) / len(first["scores"])
    bench.bound("n-gram scores that are KenLM's to the last bit", same, "of all documents", least=1)
    bench.bound("perplexity, plain form and SentencePiece included", documents.text_bytes(chosen) / 1e6 / whole, "MB/s")
