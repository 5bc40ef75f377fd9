"""Exports of conversations: rows token by token, mixtures, what is left out and why, and the same bytes again."""

import gzip
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from references import chat_templates_made as made
from references.packing import gzipped
from references.read_export import copies, files, manifest, rows
from tokenizers import Tokenizer

from curation.export.settings import Export, ExportError, ExportSettingsError
from curation.export.tokenizer import ExportTokenizer
from curation.sources.listing import find_files
from curation.sources.settings import Ingest
from jobs.conversation_mix import parse_mix
from jobs.display import Silent
from jobs.export_conversations import ChatExport, export_conversations
from jobs.export_shards import Exported
from jobs.trace_conversation import are_conversations, trace_conversations
from jobs.trace_row import open_place
from training.data import Content, Loader, read_manifest
from training.data.chat import Chat, ChatSettings
from training.data.chat_templates import CHATML, ChatTemplate

TOKENIZER = ExportTokenizer(content=made.chatml_tokenizer(), name="small", eos="<|endoftext|>")
TEMPLATE = ChatTemplate(source=CHATML, name="chatml")
SETTINGS = ChatExport(rows=Export(row_length=96, eval_share=0.2, domain="one", shard_bytes=2000))
LONG = replace(SETTINGS.rows, row_length=512, eval_share=0.0)
LIBRARY = Tokenizer.from_str(TOKENIZER.content.decode())
Record = Mapping[str, Any]


def export(
    inputs: Sequence[Path | str], to: Path, settings: ChatExport = SETTINGS, *, overwrite: bool = False, **other: Any
) -> Exported:
    found = find_files(Ingest(inputs=tuple(map(str, inputs)))).files
    tokenizer, template = other.get("tokenizer", TOKENIZER), other.get("template", TEMPLATE)
    return export_conversations(found, tokenizer, template, settings, str(to), Silent(), overwrite=overwrite)


def written(path: Path, records: Sequence[Any]) -> Path:
    """Records, or lines as they are, as a file of the kind that its name says."""
    lines = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = {".gz": gzipped, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(lines))
    return path


def some_records(num: int, seed: str) -> list[dict[str, Any]]:
    """Conversations of one to three turns; some have weights."""
    dice = random.Random(seed)
    words = ["the", "quick", "brown", "fox", "and", "a", "lazy", "dog", "become", "rows", "of", "tokens"]

    def said(most: int) -> str:
        return " ".join(dice.choices(words, k=dice.randint(1, most)))

    records = []
    for number in range(num):
        messages: list[dict[str, Any]] = []
        for _ in range(dice.randint(1, 3)):
            messages += [{"role": "user", "content": said(8)}, {"role": "assistant", "content": said(12)}]
            if dice.random() < 0.3:
                messages[-1]["weight"] = dice.choice((0, 0.5, 2))
        if dice.random() < 0.2:
            messages.insert(0, {"role": "system", "content": said(5)})
        records.append({"id": f"{seed}-{number}", "messages": messages})
    return records


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pools") / "in"
    written(folder / "talk.jsonl.gz", some_records(80, "talk"))
    written(folder / "asks.jsonl.zst", [{"prompt": f"who {i}", "completion": f"a dog {i}"} for i in range(60)])
    table = [{"instruction": f"say {i}", "input": "x" * (i % 3), "output": f"{i}!", "id": i} for i in range(40)]
    pq.write_table(pa.Table.from_pylist(table), folder / "orders.parquet", row_group_size=7)
    return folder


@pytest.fixture(scope="module")
def out(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("sft") / "out"
    export([inputs], to)
    return to


def table(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "conversations.parquet").to_pylist()
    return found


def records_of(inputs: Path) -> Iterator[tuple[str, int, Any]]:
    """Every record by file and number, read anew."""
    for name, opened in (("talk.jsonl.gz", gzip.decompress), ("asks.jsonl.zst", zstandard.decompress)):
        for number, line in enumerate(opened((inputs / name).read_bytes()).splitlines(), 1):
            yield name, number, json.loads(line)
    for number, row in enumerate(pq.read_table(inputs / "orders.parquet").to_pylist(), 1):
        yield "orders.parquet", number, row


def test_every_conversation_stands_whole_in_one_row(inputs: Path, out: Path) -> None:
    chat = Chat(TOKENIZER.content, TEMPLATE, ChatSettings(max_tokens=96))
    ids = {(row["file"], row["record"]): row["doc_id"] for row in table(out)}
    found = copies(out)
    weights: dict[str, list[float]] = {}
    for _, row in rows(out):
        assert row["loss_weights"][row["num_tokens"] :] == [0] * (96 - row["num_tokens"])
        assert set(row["offsets"]) == set(row["repeats"]) == {0}
        for doc_id, (start, end) in zip(row["doc_ids"], pairwise([*row["starts"], row["num_tokens"]]), strict=True):
            weights[doc_id] = row["loss_weights"][start:end]
    usable = 0
    for name, number, record in records_of(inputs):
        (expected,) = chat.encode_batch([record])
        doc_id = ids[name, number]
        if isinstance(expected, Exception):
            assert doc_id not in weights
            continue
        usable += 1
        assert found[doc_id, 0] == expected.ids.tolist()
        assert weights[doc_id] == expected.loss_weights.tolist()
    assert usable == len(found) == len(weights) > 170


def test_the_loader_gives_what_was_written(out: Path) -> None:
    told = read_manifest(out)
    assert told.loss_weights
    assert sorted(told.domains) == ["asks", "orders", "talk"]
    content = Content(labels="shifted", document_ids=True, position_ids=True, loss_weights=True)
    for domain, count in told.rows().items():
        expected = [row for name, row in rows(out, "train") if name == domain]
        shares = {name: float(name == domain) for name in told.rows()}
        for batch in Loader(out, shares, batch_size=1, content=content, until=count):
            row = expected[int(batch["row"][0])]
            labels, weights = [-100] * 96, [0.0] * 96
            for start, end in pairwise([*row["starts"], row["num_tokens"]]):
                for place in range(start, end - 1):  # the last token of a conversation predicts nothing
                    if row["loss_weights"][place + 1] > 0:
                        labels[place], weights[place] = row["tokens"][place + 1], row["loss_weights"][place + 1]
            assert batch["tokens"][0].tolist() == row["tokens"]
            assert batch["labels"][0].tolist() == labels
            assert batch["loss_weights"][0].tolist() == weights


def test_three_conversations_in_a_row_by_hand(tmp_path: Path) -> None:
    """What the model is to say, and nothing of the next conversation after it."""
    asked = [{"prompt": who, "completion": said} for who, said in (("who", "a dog"), ("why", "so"), ("how", "it is"))]
    rows_of = replace(SETTINGS.rows, row_length=100, eval_share=0.0)
    done = export([written(tmp_path / "few.jsonl", asked)], tmp_path / "out", replace(SETTINGS, rows=rows_of))
    assert done.manifest["counts"]["num_rows"] == 1
    content = Content(labels="aligned", loss_weights=True)
    batch = Loader(tmp_path / "out", batch_size=1, content=content).next_batch()
    labels, tokens = batch["labels"][0], batch["tokens"][0]
    assert np.array_equal(labels[labels >= 0], tokens[labels >= 0])
    spans = np.flatnonzero(np.diff(np.concatenate([[0], labels >= 0, [0]]))).reshape(-1, 2)
    said = {LIBRARY.decode(labels[start:end].tolist(), skip_special_tokens=False) for start, end in spans}
    assert said == {"a dog<|im_end|>", "so<|im_end|>", "it is<|im_end|>"}
    assert np.array_equal(batch["loss_weights"][0], (labels >= 0).astype(np.float32))


def test_counts_are_those_of_the_rows(out: Path) -> None:
    told, listed = manifest(out), table(out)
    everything = list(rows(out))
    counts = told["counts"]
    assert counts["num_rows"] == len(everything)
    assert counts["num_tokens"] == sum(row["num_tokens"] for _, row in everything)
    assert counts["num_supervised_tokens"] == sum(
        np.array(row["loss_weights"]).astype(bool).sum() for _, row in everything
    )
    special = {LIBRARY.token_to_id(token) for token in made.CHATML_SPECIAL}
    assert counts["num_special_tokens"] == sum(
        sum(token in special for token in row["tokens"][: row["num_tokens"]]) for _, row in everything
    )
    assert counts["num_documents"] == counts["num_repeats"] == sum(row["reason"] is None for row in listed)
    assert counts["num_failed"] == sum(row["reason"] is not None for row in listed)
    assert counts["num_truncated_documents"] == sum((row["num_cut_tokens"] or 0) > 0 for row in listed)
    assert len(listed) == 180
    for name, one in told["conversations"]["datasets"].items():
        own = [row for row in listed if row["dataset"] == name]
        assert one["num_read"] == len(own)
        assert one["num_kept"] + sum(one["dropped"].values()) == len(own)
    held = {row["doc_id"] for row in listed if row["split"] == "eval"}
    assert held == {doc_id for doc_id, _ in copies(out, "eval")}
    assert 10 < len(held) < 60
    assert told["chat"]["template"]["name"] == "chatml"
    assert told["chat"]["end_of_turn"] == "<|im_end|>"
    assert (out / "chat_template.jinja").read_text() == CHATML
    page = (out / "report.html").read_text()
    assert f"{counts['num_supervised_tokens']:,} of {counts['num_tokens']:,} tokens" in page.replace("\u202f", ",")


def test_the_same_bytes_whatever_the_order_of_the_files(inputs: Path, out: Path, tmp_path: Path) -> None:
    names = ["orders.parquet", "talk.jsonl.gz", "asks.jsonl.zst"]
    export([inputs / name for name in names], tmp_path / "again")
    assert files(tmp_path / "again") == files(out)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "again").rglob("*.arrow")}
    done = export([inputs / name for name in reversed(names)], tmp_path / "again")
    assert done.skipped
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "again").rglob("*.arrow")} == before
    with pytest.raises(ExportError, match="holds a complete export of other"):
        export([inputs / names[0]], tmp_path / "again")
    export([inputs / names[0]], tmp_path / "again", overwrite=True)
    assert {path.name for path in (tmp_path / "again").iterdir() if path.is_dir()} == {"orders"}


def test_mixtures(inputs: Path, out: Path, tmp_path: Path) -> None:
    usable = {name: one["num_kept"] for name, one in manifest(out)["conversations"]["datasets"].items()}
    taken: dict[str, dict[str, set[str]]] = {}
    for said in ("talk=20 asks=0.25", "talk=30 asks=50% orders=all", "talk=5000 asks=0"):
        to = tmp_path / said
        done = export([inputs], to, replace(SETTINGS, mix=parse_mix(said.split())))
        kept = [row for row in table(to) if row["reason"] is None]
        taken[said] = {name: {row["doc_id"] for row in kept if row["dataset"] == name} for name in usable}
        assert {doc_id for doc_id, _ in copies(to)} == {row["doc_id"] for row in kept}
        assert bool(done.warnings and "all are taken once" in " ".join(done.warnings)) == ("5000" in said)
    few, more, all_of_it = taken.values()
    assert {name: len(ids) for name, ids in few.items()} == {"talk": 20, "asks": 15, "orders": usable["orders"]}
    assert {name: len(ids) for name, ids in more.items()} == {"talk": 30, "asks": 30, "orders": usable["orders"]}
    assert {name: len(ids) for name, ids in all_of_it.items()} == {"talk": usable["talk"], "asks": 0, "orders": 40}
    assert few["talk"] < more["talk"]
    assert few["asks"] < more["asks"]
    other = replace(SETTINGS, rows=replace(SETTINGS.rows, seed=2), mix=parse_mix(["talk=20"]))
    export([inputs], tmp_path / "other", other)
    assert {row["doc_id"] for row in table(tmp_path / "other") if row["reason"] is None} != few["talk"]


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        (["talk"], "expected NAME=COUNT"),
        (["=5"], "expected NAME=COUNT"),
        (["talk=many"], "expected a whole number"),
        (["talk=-3"], "expected a whole number"),
        (["talk=1.5"], "Nothing is repeated"),
        (["talk=120%"], "Nothing is repeated"),
        (["talk=nan"], "expected a whole number"),
        (["talk=1", "talk=2"], "names talk twice"),
    ],
)
def test_mixtures_that_say_nothing(entries: list[str], match: str) -> None:
    with pytest.raises(ExportSettingsError, match=match):
        parse_mix(entries)


def test_a_mixture_of_a_dataset_that_is_not_there(inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ExportSettingsError, match=r"names tlak: did you mean talk\? the datasets are asks, orders, talk"
    ):
        export([inputs], tmp_path / "out", replace(SETTINGS, mix=parse_mix(["tlak=3"])))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_field_may_name_the_dataset(tmp_path: Path) -> None:
    lines = [{"prompt": "who", "completion": f"{i}", "set": ("a", "b/c", None, 7)[i % 4]} for i in range(40)]
    path = written(tmp_path / "mixed.jsonl", lines)
    export([path], tmp_path / "out", replace(SETTINGS, dataset_field="set"))
    assert sorted(read_manifest(tmp_path / "out").domains) == ["7", "a", "b/c", "mixed"]


def test_messages_in_a_column_of_parquet(tmp_path: Path) -> None:
    """Arrow fills in every field of every message: one that is not there is null, not a weight."""
    asked = [{"role": "user", "content": "who"}, {"role": "assistant", "content": "a dog", "weight": 0.5, "name": "x"}]
    pq.write_table(pa.table({"messages": [asked] * 5, "more": [1] * 5}), tmp_path / "talk.parquet")
    export([tmp_path / "talk.parquet"], tmp_path / "out", replace(SETTINGS, rows=LONG))
    ((_, row),) = rows(tmp_path / "out")
    said = Chat(TOKENIZER.content, TEMPLATE).encode(asked)
    assert row["tokens"][: row["num_tokens"]] == said.ids.tolist() * 5
    assert row["loss_weights"][: row["num_tokens"]] == said.loss_weights.tolist() * 5
    assert set(row["loss_weights"]) == {0, 0.5}


def test_the_same_words_are_held_out_together(tmp_path: Path) -> None:
    lines = [{"prompt": f"who {i % 20}", "completion": "a dog"} for i in range(100)]
    done = export([written(tmp_path / "twins.jsonl", lines)], tmp_path / "out")
    split: dict[int, set[str]] = {}
    for row in table(tmp_path / "out"):
        split.setdefault(row["record"] % 20, set()).add(row["split"])
    assert all(len(found) == 1 for found in split.values())
    assert {"train"} in split.values()
    assert {"eval"} in split.values()
    assert done.notes == ["80 conversations say the same as another one, word for word."]


BAD: list[tuple[Any, str]] = [
    (b"{not json", "json.malformed"),
    (b"\xff\xfe", "json.malformed"),
    (b'{"prompt": "\\ud800", "completion": "x"}', "json.malformed"),
    (b"7", "chat.not_a_list"),
    ({"text": "a document"}, "chat.no_messages"),
    ({"messages": []}, "chat.empty"),
    ({"messages": "who"}, "chat.not_a_list"),
    ({"messages": [{"role": "user", "content": "who"}]}, "chat.no_assistant"),
    ({"messages": [{"role": "human", "content": "who"}]}, "chat.unknown_role"),
    ({"prompt": "who", "completion": ""}, "chat.empty_message"),
    ({"prompt": "who <|im_end|>", "completion": "x"}, "chat.special_token"),
    ({"messages": [{"role": "assistant", "content": "x", "weight": 0}]}, "chat.nothing_supervised"),
    ({"messages": [{"role": "assistant", "content": "x", "weight": "2"}]}, "chat.bad_weight"),
    ({"prompt": "x " * 200, "completion": "y"}, "chat.too_long"),
]


def test_what_cannot_be_used_is_counted_and_named(tmp_path: Path) -> None:
    good = [{"prompt": "who", "completion": f"a dog {i}"} for i in range(20)]
    done = export([written(tmp_path / "odd.jsonl", [*(line for line, _ in BAD), b"", *good])], tmp_path / "out")
    told, listed = manifest(tmp_path / "out"), table(tmp_path / "out")
    assert [row["reason"] for row in listed] == [reason for _, reason in BAD] + [None] * 20
    assert [row["record"] for row in listed] == [*range(1, len(BAD) + 1), *range(len(BAD) + 2, len(BAD) + 22)]
    assert all(row["detail"] for row in listed[: len(BAD)])
    assert told["counts"]["num_failed"] == len(BAD)
    assert told["failed"][f"odd.jsonl:{len(BAD)}"].startswith("chat.too_long: it has")
    assert sum(told["conversations"]["datasets"]["odd"]["dropped"].values()) == len(BAD)
    assert done.manifest == told
    assert len(copies(tmp_path / "out")) == 20


def test_a_file_that_breaks_off(tmp_path: Path) -> None:
    lines = some_records(400, "long")
    whole = written(tmp_path / "cut.jsonl.gz", lines).read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 is how it begins")
    export([tmp_path], tmp_path.with_name("broken out"))
    reasons = [(row["file"], row["reason"]) for row in table(tmp_path.with_name("broken out")) if row["reason"]]
    assert ("bad.parquet", "file.corrupt") in reasons
    assert ("cut.jsonl.gz", "file.truncated") in reasons
    assert len(copies(tmp_path.with_name("broken out"))) > 100


def test_nothing_that_can_be_used(tmp_path: Path) -> None:
    path = written(tmp_path / "texts.jsonl", [{"text": "x"}] * 3)
    with pytest.raises(
        ExportError, match=r"none of 3 conversations can be used \(chat.no_messages 3; for instance expected"
    ):
        export([path], tmp_path / "out")
    with pytest.raises(ExportError, match="the files hold no record"):
        export([written(tmp_path / "none.jsonl", [])], tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_template_that_the_tokenizer_does_not_know(inputs: Path, tmp_path: Path) -> None:
    template = ChatTemplate(source=made.LLAMA_LIKE, name="theirs", special_tokens={"bos_token": "<|endoftext|>"})
    with pytest.raises(ExportError, match=r"theirs writes <\|end_header_id\|>, .*winnow train-tokenizer --special"):
        export([inputs], tmp_path / "out", template=template)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("too_long", ["truncate", "drop"])
def test_conversations_longer_than_a_row(tmp_path: Path, too_long: Any) -> None:
    lines = [{"prompt": "who", "completion": "a dog " * 50}, {"prompt": "who " * 99, "completion": "x"}]
    path = written(tmp_path / "long.jsonl", [*lines, {"prompt": "who", "completion": "a dog"}])
    settings = replace(SETTINGS, chat=ChatSettings(too_long=too_long), rows=replace(SETTINGS.rows, eval_share=0))
    done = export([path], tmp_path / "out", settings)
    first, second, third = table(tmp_path / "out")
    assert (second["reason"], third["reason"]) == ("chat.too_long", None)
    if too_long == "drop":
        assert first["reason"] == "chat.too_long"
    else:
        assert first["num_tokens"] == 96
        assert done.notes == [
            f"1 conversations are longer than a row and lose {first['num_cut_tokens']:,} tokens at their end."
        ]
        assert manifest(tmp_path / "out")["counts"]["num_truncated_documents"] == 1


def test_from_a_token_back_to_the_line(inputs: Path, out: Path) -> None:
    originals = {(name, number): record for name, number, record in records_of(inputs)}
    for shard in manifest(out)["shards"][:4]:
        place = open_place(f"{out / shard['path']}:0")
        assert are_conversations(place)
        for segment in trace_conversations(place)["segments"]:
            record = originals[segment["file"], segment["record"]]
            assert segment["path"] == str(inputs / segment["file"])
            assert segment["record_id"] == (None if record.get("id") is None else str(record["id"]))
            assert segment["text"].startswith("<|im_start|>")
            if "completion" in record:
                assert record["completion"] + "<|im_end|>" in segment["text"]
    one = trace_conversations(open_place(f"{out / shard['path']}:0:0"))
    assert [segment["loss_weight"] for segment in one["segments"]] == [0]
    assert one["segments"][0]["num_supervised_tokens"] > 0
