"""The README as the tests read it: its sections, the blocks of code in them, and the commands in these."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        section: the heading that it stands under.
        language: what stands behind the opening fence; empty where nothing does.
        text: what stands between the fences.
    """

    section: str
    language: str
    text: str


def blocks() -> list[Block]:
    """All fenced blocks of the README, in order."""
    found: list[Block] = []
    section, language, lines = "", None, list[str]()
    for line in (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines():
        if language is not None and line.strip() == "```":
            found.append(Block(section, language, "\n".join(lines) + "\n"))
            language = None
        elif language is not None:
            lines.append(line)
        elif line.lstrip().startswith("```"):
            language, lines = line.strip().strip("`"), []
        elif line.startswith("#"):
            section = line.lstrip("# ")
    assert language is None, f"a block under {section} is never closed"
    return found


def commands(section: str) -> list[str]:
    """The shell commands of a section, each on one line, without comments."""
    shell = "".join(block.text for block in blocks() if block.section == section and block.language == "sh")
    lines = re.sub(r"\s*\\\n\s*", " ", shell).splitlines()
    plain = [re.sub(r"(^|\s+)#\s.*", "", line).strip() for line in lines]
    return [line for line in plain if line]


def python(section: str) -> list[str]:
    """The blocks of Python of a section."""
    return [block.text for block in blocks() if block.section == section and block.language == "python"]
