"""What is installed and shipped: the wheel, the pinned versions, the words that no file may hold."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", "curation", "jobs", "kernels", "notebooks", "tests", "training")
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".ipynb_checkpoints"}
BINARY = {".png", ".ftz", ".gz", ".npz", ".nbc", ".nbi", ".parquet", ".pyc", ".zst", ".bin"}

FORBIDDEN = re.compile(
    r"\b(?:pypi|python[h]osted|maven|maven\.apache)\.org\b|\bindex[-]url\b|\bfind[-]links\b"
    r"|(?<![\w.~*-])/(?:work|root|tmp|home)(?![\w.-])"
)
"""Hosts of package registries, and folders of the machine that something was written on."""


def own_files() -> list[Path]:
    """Every text file of the project, wherever it is checked out, without what is built or installed beside it."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and not CACHES & set(path.parts)]
    return sorted(path for path in found if path.suffix not in BINARY)


def read_project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read_pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    parts = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in parts}


def closure(requirements: list[str]) -> set[str]:
    """The names of all packages that requirements bring along, as far as they are installed here."""
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                needed = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue
            parsed = [Requirement(text) for text in needed]
            waiting += [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the tree so that no build folder is left behind."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "a tree"
    tree.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        copy(ROOT / name, tree)
    for name in ("curation", "jobs", "training"):
        copytree(ROOT / name, tree / name, ignore=ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), "."],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("winnow-*.whl")
    return zipfile.ZipFile(built)


def test_wheel_holds_all_code_and_data(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for folder in ("curation", "jobs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".py", ".npz", ".ftz", ".typed"} and "sample_corpus" not in path.parts
    }
    assert {"curation/signals/models/lid.176.ftz", "curation/text/unicode_tables.npz", "jobs/cli.py"} <= expected
    assert expected <= names, f"not in the wheel: {sorted(expected - names)}"


def test_wheel_carries_its_licences(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert any(name.endswith("curation/signals/models/NOTICE.md") and "dist-info" in name for name in names)
    assert "curation/signals/models/NOTICE.md" in names, "the notice must also lie beside the model"


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"curation", "jobs", "training"}
    assert not [name for name in wheel.namelist() if "sample_corpus" in name or name.endswith((".nbi", ".nbc"))]


def test_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "winnow = jobs.cli:main" in wheel.read(entry_points).decode()


def test_wheel_is_small(wheel: zipfile.ZipFile) -> None:
    assert sum(info.compress_size for info in wheel.infolist()) < 3_000_000


def test_constraints_hold_names_and_versions_only() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    assert len(read_pins()) == len(lines), "a package is pinned twice"


def test_every_requirement_has_a_pin_that_satisfies_it() -> None:
    project, pins = read_project(), read_pins()
    for text in [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]:
        requirement = Requirement(text)
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin, f"{requirement.name} has no pin in constraints.txt"
        assert requirement.specifier.contains(pin), f"{text} does not allow the pinned {pin}"


def test_everything_that_is_brought_along_has_a_pin() -> None:
    project = read_project()
    names = closure([*project["dependencies"], *project["optional-dependencies"]["test"]])
    assert len(names) > 30, "the packages are not installed here: run make test"
    assert names - set(read_pins()) == set()


def test_curation_installs_without_torch() -> None:
    names = closure(read_project()["dependencies"])
    heavy = {name for name in names if name.startswith(("torch", "triton", "nvidia"))}
    assert heavy | (names & {"deepspeed", "transformers", "tensorflow", "jax"}) == set()


@pytest.mark.parametrize("line", ["see /{}/x", "cd '/{}'", '"/{}/"', "https://{}.org/simple", "pip --{}-url x"])
def test_pattern_of_machines_and_registries_finds(line: str) -> None:
    word = {"h": "py" + "pi", "p": "in" + "dex"}.get(line[0], "ro" + "ot")
    assert FORBIDDEN.search(line.format(word))


@pytest.mark.parametrize("line", ["https://example.org/{}s/x", "a/{}/b", "--out lake/", "{} = path", "and/or"])
def test_pattern_of_machines_and_registries_leaves(line: str) -> None:
    for word in ("ro" + "ot", "wo" + "rk"):
        assert not FORBIDDEN.search(line.format(word))


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    bad = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in own_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert bad == []


def test_files_are_small_enough_to_read() -> None:
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in own_files() if path.suffix == ".py"}
    assert len(sizes) > 10
    assert {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size >= 400} == {}


def test_folders_that_must_not_be_packages_are_none() -> None:
    assert not (ROOT / "kernels" / "__init__.py").exists(), "it would hide Hugging Face's own package of that name"
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_script_hides_a_module_of_the_standard_library() -> None:
    scripts = {path.stem for path in (ROOT / "jobs").glob("*.py")} - {"__init__"}
    assert scripts & set(sys.stdlib_module_names) == set()
