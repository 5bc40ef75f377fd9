"""A real cluster makes the same tables as the embedded engine: by spark-submit, and through a Spark Connect server.

The executors have nothing but what is sent to them: the code as winnow.zip, Python and its packages as an archive. The
commands are read from the README.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from end_to_end.readme import REPOSITORY, commands
from end_to_end.standalone_cluster import Cluster, daemon, standalone_cluster, wait_for, why_not
from references.read_export import files, manifest
from references.tokenizers_made import bpe, saved

from curation.session import DELTA_PACKAGE
from curation.text.kernel_cache import sources_in

KEYS = {"documents": "doc_id", "quarantine": None, "signals": "doc_id", "clusters": "doc_id", "decisions": "doc_id"}
MAKE, EXPORT, SUBMIT, DRIVER, SERVER, CLIENT = commands("On a cluster")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a checkout in which the archives have been made."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "curation", "jobs"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / ".venv").symlink_to(sys.prefix)
    # Whatever dates the files have, nothing is installed into the environment that runs this.
    shell(MAKE.replace("make ", "make -o .venv/.installed "), folder, {**os.environ, "MAKEFLAGS": ""})
    return folder


@pytest.fixture(scope="module")
def kernels(checkout: Path) -> Path:
    """Where all machines keep compiled kernels; those that this checkout has compiled are there already."""
    archive = checkout / "winnow.zip"
    sources = sources_in(str(archive), archive.stat().st_mtime_ns, archive.stat().st_size)
    folder = checkout / "kernels" / sources.name
    for made in (REPOSITORY / "curation").rglob("*.nb[ic]"):
        inside = made.parent.parent.relative_to(REPOSITORY / "curation")
        target = folder / "-".join(inside.parts) / made.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, target)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder.parent


@pytest.fixture(scope="module")
def embedded(checkout: Path, kernels: Path) -> Path:
    """The lake that the embedded engine makes, from the same zip."""
    command = f"{sys.executable} -m jobs.cli run -i 'jobs/sample_corpus/*.jsonl.gz' -r demo -o lake-embedded"
    code = {"PYTHONPATH": str(checkout / "winnow.zip"), "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": str(kernels)}
    shell(command, checkout, os.environ | code)
    return checkout / "lake-embedded"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, kernels: Path) -> Iterator[Cluster]:
    missing = why_not()
    if missing:
        pytest.skip(f"a Spark cluster is not to be had here: {missing}")
    with standalone_cluster(tmp_path_factory.mktemp("cluster"), {"NUMBA_CACHE_DIR": str(kernels)}) as running:
        yield running


def shell(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What a command prints as it is typed in `folder`."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    if "unresolved dependency" in done.stdout + done.stderr:
        pytest.skip("a Spark cluster is not to be had here: the Delta jars cannot be fetched")
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def on(cluster: Cluster, command: str) -> str:
    """A command of the README with the address of this cluster."""
    assert "spark://HOST:7077" in command
    return command.replace("spark://HOST:7077", cluster.url)


def table(lake: Path, name: str) -> pa.Table:
    """A table in a fixed order of rows and columns."""
    found = DeltaTable(str(lake / name)).to_pyarrow_table()
    found = found.select(sorted(found.column_names))
    found = found.cast(pa.schema([field.with_nullable(True) for field in found.schema]))
    key = KEYS[name]
    return found.sort_by(key) if key else found


def written(kernels: Path) -> dict[Path, int]:
    """Files of machine code, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in kernels.rglob("*.nbc")}


def assert_same(expected: Path, made: Path) -> None:
    for name in KEYS:
        assert table(expected, name).equals(table(made, name)), name
    assert table(made, "documents").num_rows > 6000


def test_the_readme_names_the_delta_lake_that_winnow_knows() -> None:
    assert all(DELTA_PACKAGE in shlex.split(command) for command in (SUBMIT, SERVER))


def test_spark_submit_makes_the_same_tables(cluster: Cluster, checkout: Path, embedded: Path, kernels: Path) -> None:
    compiled = written(kernels)
    said = shell(f"{EXPORT}\n{on(cluster, SUBMIT)}", checkout, cluster.environment)
    assert "passed" in said
    made = (checkout / "lake").rename(checkout / "lake-by-spark-submit")
    assert_same(embedded, made)
    assert compiled == written(kernels)  # no executor compiled what was there
    for work in ("work-1", "work-2"):  # both workers took part, and in the environment that was sent
        assert list((cluster.folder / work).glob("app-*/*/environment/bin/python"))
        assert list((cluster.folder / work).glob("app-*/*/winnow.zip"))


def test_winnow_as_the_driver_sends_its_code(cluster: Cluster, checkout: Path, embedded: Path) -> None:
    before = set(cluster.folder.glob("work-*/app-*/*/winnow.zip"))
    shell(f"{EXPORT}\n{on(cluster, DRIVER)}", checkout, cluster.environment)
    assert set(cluster.folder.glob("work-*/app-*/*/winnow.zip")) > before
    made = (checkout / "lake").rename(checkout / "lake-by-winnow")
    ids = table(embedded, "documents").filter(pc.field("source") == "code")["doc_id"]
    assert table(made, "documents")["doc_id"].equals(ids)


@pytest.fixture(scope="module")
def server(cluster: Cluster, checkout: Path) -> Iterator[str]:
    """Address of a Spark Connect server whose executors have neither Winnow nor what it needs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = on(cluster, SERVER).replace("port=15002", f"port={address.rpartition(':')[2]}")
    programs = {"PATH": f"{checkout / '.venv' / 'bin'}:{os.environ['PATH']}", "PYSPARK_PYTHON": "/no/python/here"}
    log = cluster.folder / "connect.log"
    with daemon(["bash", "-c", f"exec {command}"], log, {**cluster.environment, **programs}) as process:
        said = wait_for(log, r"(Connect server started at: [\d.]+:\d+|unresolved dependency)", process)
        if "unresolved" in said:
            pytest.skip("a Spark cluster is not to be had here: the Delta jars cannot be fetched")
        yield address


def test_a_connect_server_makes_the_same_tables_and_shards(
    server: str, checkout: Path, embedded: Path, kernels: Path
) -> None:
    assert "sc://127.0.0.1:15002" in CLIENT
    said = shell(CLIENT.replace("127.0.0.1:15002", server), checkout, os.environ)
    assert "passed" in said
    assert_same(embedded, checkout / "lake")
    assert not (checkout / "lake" / "_scratch").exists()
    exports_the_same(server, checkout, kernels)


def exports_the_same(server: str, checkout: Path, kernels: Path) -> None:
    """What the server's executors write as shards are the bytes that the embedded engine writes."""
    saved(bpe(), checkout / "tokenizer.json")
    flags = "--tokenizer tokenizer.json --row-length 512 --eval-share 0.05 --shard-mb 1"
    client = CLIENT.replace("127.0.0.1:15002", server).replace(" run ", " export ")
    far = client.replace("-i 'jobs/sample_corpus/*.jsonl.gz' -r demo -o lake", f"-o lake --to shards {flags}")
    assert "--to shards" in far
    assert "Manifest: shards/manifest.json" in shell(far, checkout, os.environ)
    here = f"{sys.executable} -m jobs.cli export -o lake-embedded --to shards-embedded {flags}"
    code = {"PYTHONPATH": str(checkout / "winnow.zip"), "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": str(kernels)}
    shell(here, checkout, os.environ | code)
    found, expected = (manifest(checkout / name) for name in ("shards", "shards-embedded"))
    assert len(found["shards"]) > 5
    assert found["shards"] == expected["shards"]  # sizes and hashes, by which the files are known
    assert found["domains"] == expected["domains"]
    for name in ("shards", "shards-embedded"):
        hashes = files(checkout / name)
        assert {path for path in hashes if path.endswith(".arrow")} == {shard["path"] for shard in found["shards"]}
        assert all(hashes[shard["path"]] == shard["sha256"] for shard in found["shards"])
