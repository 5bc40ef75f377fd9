"""The identity of code: it changes with each module that is imported, and with no other; in a folder and in a zip."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from curation.code_archive import pack_code
from curation.code_identity import code_identity, sources_of

REPOSITORY = Path(__file__).parents[2]
MODULES = ("curation.export.stage", "curation.export.manifest")
ALONE = ("jobs.export_plan",)
PROGRAM = (
    "from curation.code_identity import code_identity\n"
    f"print(code_identity(*{MODULES!r}, alone={ALONE!r}))\n"
    "import sys; assert 'curation.export.stage' not in sys.modules"
)


def identity(code: Path) -> str:
    """As a process tells it that has its code from a folder or a zip."""
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(code)!r})\n{PROGRAM}"]
    return subprocess.run(command, cwd=code.parent, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code."""
    for package in ("curation", "jobs"):
        for path in (REPOSITORY / package).rglob("*.py"):
            target = tmp_path / "tree" / path.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return tmp_path / "tree"


def test_the_same_code_wherever_it_lies(tree: Path, tmp_path: Path) -> None:
    here = code_identity(*MODULES, alone=ALONE)
    assert re.fullmatch(r"[0-9a-f]{16}", here)
    assert identity(tree) == here
    assert identity(pack_code(tmp_path / "winnow.zip")) == here


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("curation/export/pack.py", True),  # imported by what is imported
        ("curation/text/blocks.py", True),
        ("curation/export/manifest.py", True),
        ("jobs/export_plan.py", True),
        ("jobs/lake.py", False),  # imported by the plan, which is named alone
        ("curation/signals/gopher.py", False),
        ("curation/report/shards.py", False),
    ],
)
def test_a_change_counts_where_it_is_imported(tree: Path, changed: str, counts: bool) -> None:
    before = code_identity(*MODULES, alone=ALONE)
    path = tree / changed
    path.write_text(path.read_text() + "\nFURTHER = 1\n")
    assert (identity(tree) != before) == counts


def test_every_module_that_is_loaded_is_counted() -> None:
    """What Python itself loads of the package for these modules, but for names of folders."""
    program = (
        f"import sys, {', '.join(MODULES)}\nprint(*(name for name in sys.modules if name.startswith('curation.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    packages = {"curation.dedup", "curation.export", "curation.text"}
    assert set(done.stdout.split()) - packages <= set(sources_of(MODULES))
