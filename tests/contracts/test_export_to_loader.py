"""The seam between the halves: what the export writes, the loader reads, row by row; neither half knows the other."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from references.read_export import manifest, rows
from references.small_lake import Doc, write
from references.tokenizers_made import TEXTS, bpe

from curation.export.settings import Export
from curation.export.tokenizer import ExportTokenizer
from curation.session import EngineConfig, Session, open_session
from jobs.display import Silent
from jobs.export_shards import export
from jobs.lake import Lake
from training.data import Content, Loader, read_manifest

SETTINGS = Export(row_length=64, eval_share=0.3, shard_bytes=3000)
CONTENT = Content(labels="shifted", position_ids=True, document_ids=True, cu_seqlens=True)


@pytest.fixture(scope="module")
def sail() -> Iterator[Session]:
    with open_session(EngineConfig()) as opened:
        yield opened


@pytest.fixture(scope="module")
def lake(sail: Session, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Documents of all lengths; domains with odd names, one of them so small that it has one split only."""
    dice, words = random.Random(2), " ".join(TEXTS).split()
    sources = ("web", "a/b", "..", "ärzte & co", "manifest.json")
    docs = [
        Doc(
            f"{number:032x}",
            " ".join(dice.choices(words, k=dice.choice((1, 9, 40, 150)))),
            dice.choice(sources),
            weight=2,
        )
        for number in range(250)
    ]
    made = Lake(sail, str(tmp_path_factory.mktemp("seam") / "lake"))
    write(made, [*docs, Doc("f" * 32, "The only one of its kind.", "lonely")])
    return made


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, replace(SETTINGS, packing="concat"), replace(SETTINGS, packing="none", token_dtype="uint32")],
    ids=["best_fit", "concat", "none"],
)
def test_the_loader_reads_every_row_as_it_was_written(lake: Lake, tmp_path: Path, settings: Export) -> None:
    tokenizer = ExportTokenizer(content=bpe(special=("</s>", "<pad>")), name="x", eos="</s>", pad="<pad>")
    export(lake, tokenizer, settings, str(tmp_path / "out"), Silent())
    told = read_manifest(tmp_path / "out")
    written = manifest(tmp_path / "out")
    assert told.rows() == {domain["name"]: domain["train"]["num_rows"] for domain in written["domains"]}
    for domain, count in told.rows().items():
        expected = [row for name, row in rows(tmp_path / "out", "train") if name == domain]
        assert len(expected) == count
        if not count:
            continue
        shares = {name: float(name == domain) for name in told.rows()}
        loader = Loader(tmp_path / "out", shares, batch_size=1, content=CONTENT, until=count)
        found: dict[int, Any] = {int(batch["row"][0]): batch for batch in loader}
        assert sorted(found) == list(range(count))
        for number, row in enumerate(expected):
            batch = found[number]
            assert batch["tokens"][0].tolist() == row["tokens"]
            bounds = [*row["starts"], row["num_tokens"]]
            assert batch["cu_seqlens"].tolist() == [*bounds, *([64] if row["num_tokens"] < 64 else [])]
            for start, end in pairwise(bounds):
                assert np.array_equal(batch["position_ids"][0][start:end], np.arange(end - start))
                assert len(set(batch["document_ids"][0][start:end].tolist())) == 1
