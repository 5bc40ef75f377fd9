"""Every command and every block of code in the README works as it stands there.

Those of the section on clusters are run by test_cluster.py, those that train by test_readme_training.py and
test_demo_train.py; `make test` is what runs this, and CI. All others are run here, in a folder laid out like a clone,
in which only the data and a record's id are put in.
"""

import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from deltalake import DeltaTable
from end_to_end.readme import REPOSITORY, blocks, commands, python
from references.packing import gzipped
from references.warc_files import http, members, page, record

from curation.text.batch import TextBatch

DEMO, TEST, DEMO_TRAIN, RUN = commands("Winnow")
SHOW, HISTORY, WHAT_IF, WHO, AGAIN = commands("What flows where")
TRAIN, EXPORT, TRACE, TRAIN_CHAT, EXPORT_CHAT = commands("From tables to tokens")
PREVIEW, CRAWL = commands("From a crawl to documents")
(DECIDE,) = commands("Recipes")
(EDIT,) = commands("Edits")
(INDEX,) = commands("Evaluation sets")
(QUERY,) = python("What flows where")
(ROWS,) = python("From tables to tokens")
(MINE,) = python("Recipes")
(REDACTED,) = python("Edits")
(CLEAN,) = python("Evaluation sets")
(FILTER,) = python("Add a filter")

KNOWN = {
    ("Winnow", "sh"): 2,
    ("What flows where", ""): 1,
    ("What flows where", "sh"): 1,
    ("What flows where", "python"): 1,
    ("From a crawl to documents", "sh"): 1,
    ("From tables to tokens", "sh"): 2,
    ("From tables to tokens", "python"): 1,
    ("From tokens to a model", "sh"): 1,
    ("From tokens to a model", "python"): 1,
    ("From tokens to a model", "text"): 4,
    ("Recipes", "python"): 1,
    ("Recipes", "sh"): 1,
    ("Edits", "python"): 1,
    ("Edits", "sh"): 1,
    ("Evaluation sets", "sh"): 1,
    ("Evaluation sets", "python"): 1,
    ("On a cluster", "sh"): 5,
    ("The tree", ""): 1,
    ("Add a filter", "python"): 1,
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a clone in which `make demo` has installed everything, with data of the user's own."""
    folder = tmp_path_factory.mktemp("readme") / "winnow"
    folder.mkdir()
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "curation", "jobs"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / ".venv").symlink_to(sys.prefix)
    for source, part in (("qa", "data/2024/part-0"), ("code", "data/part-1"), ("arxiv", "data/2025/deep/part-2")):
        lines = gzip.decompress((REPOSITORY / "jobs" / "sample_corpus" / f"{source}.jsonl.gz").read_bytes())
        path = folder / f"{part}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzipped(b"".join(lines.splitlines(keepends=True)[:150])))
    (folder / "crawl").mkdir()
    pages = [page(f"Page {number} of the crawl, and what stands on it.") for number in range(9)]
    records = [record(http(text), url=f"http://a.example/{number}") for number, text in enumerate(pages)]
    (folder / "crawl" / "part-0.warc.gz").write_bytes(members([record(b"", "warcinfo"), *records])[:-20])
    (folder / "pools").mkdir()
    for name in ("flan", "own"):
        asked = [{"prompt": f"What is {name} {i}?", "completion": f"It is {i}."} for i in range(200)]
        (folder / "pools" / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in asked))
    for code in (MINE, REDACTED, CLEAN):
        (folder / _name_in(code)).write_text(code)
    (folder / "evals").mkdir()
    item = json.dumps({"question": "Which of these eight words or more is it?", "choices": ["this one", "that one"]})
    (folder / "evals" / "choices.jsonl.gz").write_bytes(gzipped(item.encode()))
    return folder


@pytest.fixture(scope="module")
def said(clone: Path) -> dict[str, str]:
    """What the commands print, typed one after the other."""
    said: dict[str, str] = {}
    # Whatever dates the files have, nothing is installed into the environment that runs this.
    said[DEMO] = shell(DEMO.replace("make ", "make -o .venv/.installed "), clone)
    typed = (
        RUN,
        SHOW,
        HISTORY,
        WHAT_IF,
        WHO,
        AGAIN,
        PREVIEW,
        CRAWL,
        TRAIN,
        EXPORT,
        TRACE,
        TRAIN_CHAT,
        EXPORT_CHAT,
        DECIDE,
        EDIT,
        INDEX,
    )
    for command in typed:
        said[command] = shell(command.replace("RECORD_ID", f"'{record_id(clone)}'"), clone)
    return said


def shell(command: str, folder: Path, text: str | None = None) -> str:
    """What a command prints as it is typed in `folder`."""
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "MAKEFLAGS": ""}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        input=text or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout


def record_id(clone: Path) -> str:
    if not (clone / "lake").exists():
        return ""
    return str(
        DeltaTable(str(clone / "lake" / "documents"))
        .to_pyarrow_table(columns=["record_id"])["record_id"]
        .sort()[7]
        .as_py()
    )


def decided(lake: Path) -> dict[str, list[str]]:
    rows = DeltaTable(str(lake / "decisions")).to_pyarrow_table()
    return dict(zip(rows["doc_id"].to_pylist(), rows["reasons"].to_pylist(), strict=True))


def _name_in(code: str) -> str:
    """The file that a block of code says it is: `# name.py` on its first line."""
    return code.splitlines()[0].removeprefix("# ")


def test_every_block_is_known_here() -> None:
    assert Counter((block.section, block.language) for block in blocks()) == KNOWN
    pictures = "".join(block.text for block in blocks() if not block.language)
    assert not re.search(r"^\s*(\$|make|winnow|\.venv|pip|spark-submit)\b", pictures, re.MULTILINE)
    cluster = (REPOSITORY / "tests" / "end_to_end" / "test_cluster.py").read_text()
    assert 'commands("On a cluster")' in cluster
    training = (REPOSITORY / "tests" / "end_to_end" / "test_readme_training.py").read_text()
    assert 'commands("From tokens to a model")' in training
    assert DEMO_TRAIN in (REPOSITORY / "tests" / "end_to_end" / "test_demo_train.py").read_text()


def test_commands_in_running_text_exist(clone: Path) -> None:
    text = re.sub(r"```.*?```", "", (REPOSITORY / "README.md").read_text(), flags=re.DOTALL)
    named = set(re.findall(r"`(?:make|winnow) ([^`]+)`", text))
    help_text = shell(".venv/bin/winnow --help", clone)
    targets = re.findall(r"^([a-z.-]+(?: [a-z.-]+)*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    known = {*re.findall(r"^\W*([a-z-]+) ", help_text, re.MULTILINE), *" ".join(targets).split()}
    unknown = {word for words in named for word in re.split(r"[ |]+", re.sub(r" -.*| ARGS=.*", "", words))} - known
    assert len(named) > 5
    assert not unknown


def test_make_demo_curates_the_sample_corpus(clone: Path, said: dict[str, str]) -> None:
    assert DEMO == "make demo"
    assert "Report: " in said[DEMO]
    assert len(decided(clone / "demo-lake")) > 6000


def test_make_test_is_what_runs_this() -> None:
    assert TEST == "make test"
    assert (REPOSITORY / ".ci" / "run").read_text().rstrip().endswith(f"exec {TEST} </dev/null")
    makefile = (REPOSITORY / "Makefile").read_text()  # make -n would run it: a line with $(MAKE) is never only shown
    assert re.search(r"^test:.*\n\t.*-m pytest .*\$\(ARGS\)", makefile, re.MULTILINE)


def test_own_data_in_one_line(clone: Path, said: dict[str, str]) -> None:
    assert len(decided(clone / "lake")) == 450
    assert (clone / "lake" / "report.html").stat().st_size > 50_000
    assert "lake/decisions" in said[RUN]


def test_looking_closer(clone: Path, said: dict[str, str]) -> None:
    assert record_id(clone) in said[SHOW]
    assert all(f"{table}@0" in said[HISTORY] for table in ("documents", "signals", "clusters", "decisions"))
    assert "gopher.too_few_words" in said[WHAT_IF]
    assert decided(clone / "again") == dict(decided_at(clone / "lake", 0))


def decided_at(lake: Path, version: int) -> dict[str, object]:
    rows = DeltaTable(str(lake / "decisions"), version=version).to_pyarrow_table()
    return dict(zip(rows["doc_id"].to_pylist(), rows["reasons"].to_pylist(), strict=True))
    assert "Documents by length" in said[WHO]
    assert "Documents by metadata.license" in said[WHO]


def test_a_crawl_becomes_documents(clone: Path, said: dict[str, str]) -> None:
    documents = DeltaTable(str(clone / "pages" / "documents")).to_pyarrow_table().to_pylist()
    assert {(row["url"], row["text"]) for row in documents} == {
        (f"http://a.example/{number}", f"Page {number} of the crawl, and what stands on it.") for number in range(8)
    }
    place = json.loads(documents[0]["metadata"])
    stored = (clone / "crawl" / "part-0.warc.gz").read_bytes()
    alone = gzip.decompress(stored[place["record_offset"] :][: place["record_num_bytes"]])
    assert documents[0]["text"].encode() in alone
    assert "1 WARC records hold no page and were passed over: warcinfo 1" in said[CRAWL]
    assert "1 records quarantined: file.truncated 1" in said[CRAWL]
    assert "fineweb" in said[CRAWL]
    assert (clone / "pages" / "report.html").exists()
    assert (clone / "pages.html").read_text().count('<section class="page"') == 8
    assert "http://a.example/0" in said[PREVIEW]


def test_python_on_the_tables(clone: Path, said: dict[str, str]) -> None:
    printed = shell(".venv/bin/python -i -q", clone, text=QUERY)  # prints what each expression gives
    assert "sampling.not_drawn" in printed
    assert "recipe_hash" in printed


def test_tables_become_tokens(clone: Path, said: dict[str, str]) -> None:
    manifest = json.loads((clone / "shards" / "manifest.json").read_text())
    qa = next(shard for shard in manifest["shards"] if shard["path"] == "qa/train-00000.arrow")
    assert qa["num_rows"] > 7
    named = [doc_id for doc_id in decided(clone / "lake") if doc_id in said[TRACE]]
    assert len(named) == 1
    printed = shell(".venv/bin/python -i -q", clone, text=ROWS)
    assert "array([[" in printed
    assert printed.count("pyarrow.ListScalar") == 3


def test_conversations_become_tokens(clone: Path, said: dict[str, str]) -> None:
    manifest = json.loads((clone / "sft" / "manifest.json").read_text())
    told = manifest["conversations"]["datasets"]
    assert {name: (one["num_kept"], one["wanted"]) for name, one in told.items()} == {
        "flan": (200, "20000"),
        "own": (200, "all"),
    }
    assert "all are taken once" in said[EXPORT_CHAT]
    assert manifest["chat"]["template"]["name"] == "chatml"


def test_a_recipe_of_ones_own_decides(clone: Path, said: dict[str, str]) -> None:
    assert _name_in(MINE) in DECIDE
    found = DeltaTable(str(clone / "lake" / "decisions"))
    assert found.version() == 1
    passing = sum(not reasons for reasons in decided(clone / "lake").values())
    assert f"decide: {passing} of 450 documents pass" in said[DECIDE]
    assert '"recipe_name": "mine"' in found.history(1)[0]["userMetadata"]


def test_texts_are_edited(clone: Path, said: dict[str, str]) -> None:
    assert _name_in(REDACTED) in EDIT
    assert "edit: redact_pii:" in said[EDIT]
    texts = DeltaTable(str(clone / "lake" / "documents")).to_pyarrow_table(columns=["text"])["text"].to_pylist()
    assert any("|||EMAIL_ADDRESS|||" in text for text in texts)


def test_evaluation_sets_are_looked_for(clone: Path, said: dict[str, str]) -> None:
    assert "evals.index" in said[INDEX]
    name = _name_in(CLEAN)
    spoiled = {"id": "s", "text": "He asked: which of these eight words, or more, is it? This one! That one."}
    (clone / "spoiled.jsonl").write_text(json.dumps(spoiled))
    shell(f".venv/bin/winnow run -i spoiled.jsonl -r {name} -o clean/", clone)
    (reasons,) = decided(clone / "clean").values()
    assert "contamination.evaluation_item" in reasons


def test_a_filter_of_ones_own_is_found_and_holds_the_contract(tmp_path: Path) -> None:
    name = _name_in(FILTER)
    for folder in ("curation", "tests/contracts", "tests/references"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(REPOSITORY / file, tmp_path / file)
    (tmp_path / name).write_text(FILTER)
    contract = f"{sys.executable} -m pytest -q tests/contracts/test_signals.py"
    printed = shell(f"{contract} -k 'shouting or Shouting'", tmp_path)
    passed = re.search(r"(\d+) passed", printed)
    assert passed
    assert int(passed[1]) >= 8, printed
    (tmp_path / "lint").mkdir()
    shutil.copy(tmp_path / name, tmp_path / "lint" / "shouting.py")
    shell(f"{sys.executable} -m ruff check lint && {sys.executable} -m ruff format --check lint", tmp_path)


def test_the_filter_measures_and_judges(tmp_path: Path) -> None:
    path = tmp_path / "shouting.py"
    path.write_text(FILTER)
    spec = importlib.util.spec_from_file_location("shouting", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shouting"] = module
    spec.loader.exec_module(module)
    rows = module.Shouting().measure(TextBatch.from_texts(["ABcd", "LOUD", "", None, "quiet"]))
    assert rows["frac_capitals"].to_pylist() == [0.5, 1.0, None, None, 0.0]
    assert module.rules()[0].on == f"{module.Shouting().name}.frac_capitals"
