"""The documents that both sides are given: real ones of `../shared`, and made-up ones that are hard to split."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from references.texts import random_hard_texts

COUNTS = {
    "docs/arxiv_abstracts": 700,
    "docs/books_chapters": 150,
    "docs/code_python_stdlib": 350,
    "docs/qa_medquad": 700,
    "docs/wikipedia": 700,
    "neardup/arxiv_versions_docs": 300,
    "neardup/code_versions_docs": 177,
    "neardup/etcd_docs": 646,
    "ranking/ukp_arguments": 300,
}
"""How many documents of each file are taken."""

_MARKUP = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)
_MOST_CHARS = 15_000


@dataclass(frozen=True)
class Document:
    """A text and where it is from: `file:id`."""

    id: str
    text: str

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that tell whether the text is still the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:8]


def _of_jsonl(shared: Path) -> Iterator[Document]:
    for name, count in COUNTS.items():
        with gzip.open(shared / "data" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        rows.sort(key=lambda row: hashlib.sha256(str(row["id"]).encode()).digest())
        yield from (Document(f"{name}:{row['id']}", row["text"]) for row in rows[:count])


def _of_pages(shared: Path) -> Iterator[Document]:
    """Web pages with nothing but the tags taken out: menus, scripts and all, as a poor extractor leaves them."""
    pages = pq.read_table(shared / "data" / "html" / "trafilatura_eval.parquet", columns=["id", "html"]).to_pylist()
    for page in pages:
        text = _MARKUP.sub("", page["html"].decode("utf-8", "replace")).replace("\0", "")
        yield Document(f"html:{page['id']}", text[:_MOST_CHARS])
    articles = pq.read_table(shared / "data" / "html" / "wikipedia_pages.parquet", columns=["id", "paragraph_text"])
    yield from (Document(f"paragraphs:{row['id']}", row["paragraph_text"]) for row in articles.to_pylist())


def real_documents(shared: Path) -> list[Document]:
    """Some 4,800 real documents: abstracts, chapters, code, answers, articles, documentation, debate, pages."""
    found = [*_of_jsonl(shared), *_of_pages(shared)]
    return [document for document in found if document.text]


def hard_documents() -> list[Document]:
    """Made-up texts of pieces that are hard to split, and an empty and a blank one."""
    texts = ["", " \n\t\n", *random_hard_texts(600, seed=23)]
    return [Document(f"hard:{number}", text) for number, text in enumerate(texts)]
