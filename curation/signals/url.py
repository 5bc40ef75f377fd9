"""URL: is a page's domain or address on a list, and do banned words stand in the address?

The lists are the user's; Winnow ships none. Domains and URLs are in the layout of the University of Toulouse's
blacklists (see `curation.signals.url_lists`), words one a line. The dialects:

- `datatrove`, FineWeb's (huggingface/datatrove `pipeline/filters/url_filter.py`): the host or a domain above it is
  listed; the URL is listed; a banned word, or two soft words, stand in the URL between signs; a banned sub-word stands
  in the URL without signs, in lower case.
- `dclm` (mlfoundations/dclm `mappers/filters/metadata_filters.py`, as `dclm_baseline_refinedweb.yaml` calls it, after
  RefinedWeb): the authority without `www` is listed, exactly; a strict sub-word stands in the URL without `-` and `.`;
  a hard word, or two soft words, stand in it between word boundaries; case does not count.

No public suffix list is needed: datatrove looks for the registered domain (by tldextract) and the full host, here every
domain from the host upwards is looked for, as squidGuard does, for which the lists are made. So an entry between the
two counts too. Further departures: hosts have no case; datatrove compares listed URLs to the whole URL, scheme and all,
which UT1's, without schemes, never equal: here scheme, `www.`, port, case, fragment and a slash at the end do not
count, and a listed URL covers what is below it; in `dclm` the dot that is left of `www.` goes with it, and sub-words
lose `-` and `.` as the URL does, both of which never match there.
"""

from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.rules import Rule
from curation.signals.list_files import content_of, entries, sha256_of, word_list
from curation.signals.url_lists import UrlLists, open_lists, read_lists
from curation.text.batch import TextBatch
from curation.text.columns import to_arrow
from curation.text.one_line import lowered
from curation.text.phrases import ALNUM_RUN, ANYWHERE, BOUNDARY, build_automaton, find_phrases
from curation.text.url_match import map_bytes, match_urls

Dialect = Literal["datatrove", "dclm"]

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
"""Whose rules are known."""

REDPAJAMA_CATEGORIES = (
    *("adult", "agressif", "agressive", "arjel", "chat", "dating", "ddos", "filehosting", "gambling"),
    *("mixed_adult", "phishing", "porn", "violence"),
)
"""Categories of the University of Toulouse's lists that RedPajama-V2 numbers (`configs/rp_v2.0.conf`). For its numbers
all have to be there: of one without lists a folder with an empty file `domains`."""

_ROLES = ("lists", "banned_words", "banned_subwords", "soft_words")
_REMEDY = "Url.of(...)"


def _check_dialect(dialect: str) -> None:
    if dialect not in DIALECTS:
        raise ValueError(f"url: dialect {dialect!r} is not known; choose one of {', '.join(DIALECTS)}")


@dataclass(frozen=True, kw_only=True)
class Url:
    """What lists say of the URL of a document. It measures the column `url`; a document without one has nulls.

    Columns: `domain_category` and `url_category` (string; the category whose list blocks the domain or the URL, null
    for none; of several the first in the alphabet), `is_blocked_domain` and `is_blocked_url` (bool), `host_category`
    (string; the category that lists the host itself), `rps_doc_ut1_blacklist` (float64 as all of RedPajama-V2's; all
    categories that list the host itself, by the number that it gives to a set of those that count; the data set's own
    are with the thirteen `REDPAJAMA_CATEGORIES`), `num_banned_words`, `num_banned_subwords` and `num_soft_words`
    (int32; different ones that stand there). Without its list a column is null.

    Attributes:
        lists: folder or file of domains and URLs, which every worker can read; None for none.
        categories: those of them that count, by the names of their folders; none for all.
        banned_words: file of words, each of which is too many; None for none.
        banned_subwords: file of strings that may stand inside a word; None for none.
        soft_words: file of words of which two are too many; None for none.
        sha256: hash of each of the four that is given, in this order: another list is another recipe. `Url.of` fills
            it in.
        dialect: whose rules; see above.

    Raises:
        ValueError: the dialect is unknown, no list is given, or the hashes are not as many as the lists.
    """

    column: ClassVar[str] = "url"

    lists: str | None = None
    categories: tuple[str, ...] = ()
    banned_words: str | None = None
    banned_subwords: str | None = None
    soft_words: str | None = None
    sha256: tuple[str, ...] = ()
    dialect: Dialect = "datatrove"

    def __post_init__(self) -> None:
        _check_dialect(self.dialect)
        object.__setattr__(self, "categories", tuple(self.categories))
        object.__setattr__(self, "sha256", tuple(self.sha256))
        num_given = sum(bool(getattr(self, role)) for role in _ROLES)
        if not num_given:
            raise ValueError(f"url: no list is given; {_REMEDY} takes {', '.join(_ROLES)}")
        if len(self.sha256) != num_given:
            raise ValueError(f"url: {num_given} lists and {len(self.sha256)} sha256; {_REMEDY} gives them")

    @classmethod
    def of(
        cls,
        *,
        lists: str | None = None,
        categories: tuple[str, ...] = (),
        banned_words: str | None = None,
        banned_subwords: str | None = None,
        soft_words: str | None = None,
        dialect: Dialect = "datatrove",
    ) -> "Url":
        """The signal for the lists that stand there now.

        Raises:
            ListError: one is not there, or not a list.
        """
        hashes = [read_lists(lists, tuple(categories))[1]] if lists else []
        for path in filter(None, (banned_words, banned_subwords, soft_words)):
            content = content_of(path)
            entries(path, content)
            hashes.append(sha256_of(content))
        return cls(
            lists=lists,
            categories=tuple(categories),
            banned_words=banned_words,
            banned_subwords=banned_subwords,
            soft_words=soft_words,
            sha256=tuple(hashes),
            dialect=dialect,
        )

    @property
    def name(self) -> str:
        """`url_<dialect>`."""
        return f"url_{self.dialect}"

    @property
    def schema(self) -> pa.Schema:
        """Categories, flags and counts."""
        return pa.schema(
            [
                ("domain_category", pa.string()),
                ("url_category", pa.string()),
                ("host_category", pa.string()),
                ("rps_doc_ut1_blacklist", pa.float64()),
                ("is_blocked_domain", pa.bool_()),
                ("is_blocked_url", pa.bool_()),
                ("num_banned_words", pa.int32()),
                ("num_banned_subwords", pa.int32()),
                ("num_soft_words", pa.int32()),
            ]
        )

    def open(self) -> None:
        """Read the lists, once per process.

        Raises:
            ListError: one cannot be read, or is not the one that the recipe names.
        """
        self._url_lists()
        for role in _ROLES[1:]:
            self._words(role)

    def measure(self, batch: TextBatch) -> pa.RecordBatch:
        """What the lists say of each URL of `batch`; null for a null URL."""
        columns = self._listed(batch)
        plain = lowered(batch) if self.dialect == "dclm" else batch
        squeezed = _squeezed(plain, self.dialect)
        around = BOUNDARY if self.dialect == "dclm" else ALNUM_RUN
        looked = (
            ("banned_words", plain, around),
            ("banned_subwords", squeezed, ANYWHERE),
            ("soft_words", plain, around),
        )
        for role, texts, beside in looked:
            words = self._words(role)
            if words is None:
                columns.append(pa.nulls(len(batch), pa.int32()))
            else:
                columns.append(to_arrow(self._count(texts, words, beside), batch.valid, pa.int32()))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _listed(self, batch: TextBatch) -> list[pa.Array]:
        lists = self._url_lists()
        if lists is None:
            return [pa.nulls(len(batch), field.type) for field in list(self.schema)[:6]]
        found = np.empty((len(batch), 3), np.int32)
        buffer = np.empty(int(batch.num_bytes.max(initial=0)) + 8, np.uint8)
        tables = [part for table in (lists.domains, lists.urls) for part in (table.data, table.offsets, table.slots)]
        match_urls(batch.data, batch.offsets, self.dialect == "dclm", *tables, buffer, found)
        of = (lists.domain_category, lists.domain_category, lists.url_category)
        domain, host, url = (_names(found[:, k], of[k], lists) for k in range(3))
        listed = found[:, 1] >= 0
        number = np.zeros(len(batch), np.float64)
        number[listed] = lists.domain_categories[found[listed, 1]]
        flags = [to_arrow(found[:, k] >= 0, batch.valid, pa.bool_()) for k in (0, 2)]
        return [domain, url, host, to_arrow(number, listed, pa.float64()), *flags]

    def _count(self, texts: TextBatch, words: tuple[str, ...], around: int) -> NDArray[np.int32]:
        """Different words in each text; in `dclm` of those that `re.findall` gives, which do not overlap."""
        found = find_phrases(texts, build_automaton(words), np.full(len(words), around, np.int64))
        if self.dialect == "dclm":
            found = _one_after_the_other(found)
        docs = np.unique(found[:, :2], axis=0)[:, 0]
        return np.bincount(docs, minlength=len(texts)).astype(np.int32)

    def _url_lists(self) -> UrlLists | None:
        return open_lists(self.lists, self.categories, self._sha256("lists"), _REMEDY) if self.lists else None

    def _words(self, role: str) -> tuple[str, ...] | None:
        path = getattr(self, role)
        if not path:
            return None
        return _normalized(word_list(path, self._sha256(role), _REMEDY), self.dialect, role == "banned_subwords")

    def _sha256(self, role: str) -> str:
        given = [one for one in _ROLES if getattr(self, one)]
        return self.sha256[given.index(role)]


def _names(entry: NDArray[np.int32], category: NDArray[np.int32], lists: UrlLists) -> pa.Array:
    listed = entry >= 0
    number = np.zeros(len(entry), np.int32)
    number[listed] = category[entry[listed]]
    return pa.DictionaryArray.from_arrays(
        pa.array(number, mask=~listed), pa.array(lists.categories, pa.string())
    ).dictionary_decode()


@cache
def _normalized(words: tuple[str, ...], dialect: Dialect, inside: bool) -> tuple[str, ...]:
    """The words as they are looked for. What is nothing then, which would stand in every URL, is left out."""
    if dialect == "datatrove":
        words = tuple("".join(sign for sign in word if sign.isascii() and sign.isalnum()) for word in words)
    elif inside:
        words = tuple(word.replace("-", "").replace(".", "") for word in words)
    return tuple(dict.fromkeys(word.lower() for word in words if word))


@cache
def _kept_bytes(dialect: Dialect) -> NDArray[np.uint8]:
    """What stands for each byte where sub-words are looked for, 0 for nothing."""
    if dialect == "dclm":
        return np.array([0 if chr(byte) in "-." else byte for byte in range(256)], np.uint8)
    return np.array(
        [ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else 0 for byte in range(256)], np.uint8
    )


def _squeezed(batch: TextBatch, dialect: Dialect) -> TextBatch:
    out, offsets = np.empty(len(batch.data) + 1, np.uint8), np.empty(len(batch) + 1, np.int64)
    map_bytes(batch.data, batch.offsets, _kept_bytes(dialect), out, offsets)
    return TextBatch(out[: offsets[-1]], offsets, batch.valid)


def _one_after_the_other(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of all occurrences those that a regular expression finds: from the left, the longest at each place."""
    order = np.lexsort((-found[:, 3], found[:, 2]))
    kept, reached = [], 0
    for row in order.tolist():
        if found[row, 2] >= reached:
            kept.append(row)
            reached = found[row, 3]
    return found[kept]


@cache
def rules(dialect: Dialect = "datatrove") -> tuple[Rule, ...]:
    """What `dialect` drops, in its order. A rule whose list is not given never fires.

    Raises:
        ValueError: an unknown dialect.
    """
    _check_dialect(dialect)
    on = f"url_{dialect}"
    domain = Rule("url.blocked_domain", on=f"{on}.is_blocked_domain", one_of=(False,))
    address = Rule("url.blocked_url", on=f"{on}.is_blocked_url", one_of=(False,))
    hard = Rule("url.banned_word", on=f"{on}.num_banned_words", max=0)
    soft = Rule("url.soft_words", on=f"{on}.num_soft_words", max=1)
    inside = Rule("url.banned_subword", on=f"{on}.num_banned_subwords", max=0)
    return {"datatrove": (domain, address, hard, soft, inside), "dclm": (domain, address, inside, hard, soft)}[dialect]
