"""URLs removed from texts."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from curation.edits.edit import Cuts
from curation.text.batch import TextBatch
from curation.text.blocks import BLOCK, lowest_bit, range_mask
from curation.text.byte_table import ByteTable, look_up
from curation.text.kernel import kernel, leaf
from curation.text.top_domains import TOP_DOMAINS
from curation.text.unicode import ALNUM, character_classes, decode, space_width

_MOST_HOST, _MOST_SPACES, _MOST_TOP = 256, 10, 63
_DOMAINS, _ADDRESSES = 0, 1


@dataclass(frozen=True, kw_only=True)
class RemoveUrls:
    """Cut out web addresses, with or without a scheme, and up to ten characters of white space before each.

    An address is a run of host characters, a dot and a top-level domain in lower case (`curation.text.top_domains`)
    that ends a word, with the path behind it; then, in what is left, four numbers with dots between, with the path
    behind them. So e-mail addresses go as well, file names such as `run.sh`, and words of which a dot without a space
    and an `is` or `to` follow.

    Attributes:
        more: further top-level domains, lower-case ASCII letters (`google`).
        ip_addresses: False leaves IPv4 addresses without a name.

    Departures: DCLM looks only at texts whose very first letters are a top-level domain, of which kind most are by
    chance (`re.match` stands where `re.search` was meant); here every text is looked at. Its list holds the domains of
    companies too.

    Reference: `url_removal_modifier` of mlfoundations/dclm `baselines/mappers/modifiers.py`.
    """

    more: tuple[str, ...] = ()
    ip_addresses: bool = True

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ValueError: one of `more` is not a word of 2 to 63 lower-case ASCII letters.
        """
        for name in self.more:
            if not (2 <= len(name) <= _MOST_TOP and name.isascii() and name.isalpha() and name.islower()):
                raise ValueError(
                    f"RemoveUrls: expected more to hold top-level domains in lower-case ASCII letters, got {name!r}"
                )

    @property
    def name(self) -> str:
        """`remove_urls`."""
        return "remove_urls"

    def open(self) -> None:
        """Load the character classes and the list."""
        character_classes()
        _table(self.more)

    def cuts(self, batch: TextBatch) -> Cuts:
        """Every address."""
        longest = int(np.max(batch.num_bytes, initial=0))
        work = np.empty(longest, np.uint8)
        text = work.view()
        text.flags.writeable = False
        table = _table(self.more)
        rows = _cuts(
            batch.data,
            batch.offsets,
            character_classes(),
            table.data,
            table.offsets,
            table.slots,
            self.ip_addresses,
            work,
            text,
            np.empty(longest, np.int64),
        )
        return Cuts(rows[:, 0], rows[:, 1], rows[:, 2], np.zeros(len(rows), np.int64))


@cache
def _table(more: tuple[str, ...]) -> ByteTable:
    return ByteTable.of([name.encode() for name in sorted(TOP_DOMAINS | set(more))])


@leaf
def _in_host(byte: int) -> bool:
    """One of `-a-zA-Z0-9@:%._+~#=`."""
    if 97 <= (byte | 32) <= 122 or 48 <= byte <= 58:
        return True
    return byte in (35, 37, 43, 45, 46, 61, 64, 95, 126)


@leaf
def _path_end(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the run of host characters and `()?&/` from byte `i` on ends."""
    while i < end and (_in_host(data[i]) or data[i] in (38, 40, 41, 47, 63)):
        i += 1
    return i


@leaf
def _word_at(data: NDArray[np.uint8], i: int, end: int, flags: NDArray[np.uint16]) -> bool:
    """Whether a letter, a digit or `_` of any script begins at byte `i`."""
    return bool(i < end and (data[i] == 95 or (flags[decode(data, i)] & ALNUM) != 0))


@leaf
def _word_before(data: NDArray[np.uint8], start: int, i: int, flags: NDArray[np.uint16]) -> bool:
    """Whether a letter, a digit or `_` of any script ends before byte `i`."""
    if i == start:
        return False
    i -= 1
    while i > start and 0x80 <= data[i] < 0xC0:
        i -= 1
    return bool(data[i] == 95 or (flags[decode(data, i)] & ALNUM) != 0)


@leaf
def _before_spaces(data: NDArray[np.uint8], start: int, i: int) -> int:
    """Where the last ten characters at most of the white space before byte `i` begin."""
    for _ in range(_MOST_SPACES):
        first = i - 1
        while first > start and 0x80 <= data[first] < 0xC0:
            first -= 1
        if first < start or space_width(data, first, i) == 0:
            break
        i = first
    return i


@leaf
def _before_scheme(data: NDArray[np.uint8], start: int, i: int) -> int:
    """Where the `http://`, `https://` or `ftp://` right before byte `i` begins; `i` if there is none."""
    if i - start < 6 or data[i - 1] != 47 or data[i - 2] != 47 or data[i - 3] != 58:
        return i
    at = i - 3
    if data[at - 3] == 102 and data[at - 2] == 116 and data[at - 1] == 112:  # ftp
        return at - 3
    if data[at - 1] == 115:  # https
        at -= 1
    if at - start >= 4 and data[at - 4] == 104 and data[at - 3] == 116 and data[at - 2] == 116 and data[at - 1] == 112:
        return at - 4
    return i


@leaf
def _named(
    data: NDArray[np.uint8],
    start: int,
    dot: int,
    end: int,
    flags: NDArray[np.uint16],
    names: NDArray[np.uint8],
    name_offsets: NDArray[np.int64],
    name_slots: NDArray[np.int32],
) -> tuple[int, int]:
    """First byte and end of the address whose top-level domain follows the dot; (0, 0) if there is none.

    `start` is where the last match ended. Of a run of host characters the first dot that will do is asked about first,
    and what it finds takes the whole run: there is nothing to go back for.
    """
    stop = dot + 1
    while stop < end and stop - dot <= _MOST_TOP and 97 <= data[stop] <= 122:
        stop += 1
    if stop - dot < 3 or _word_at(data, stop, end, flags):
        return 0, 0
    first = dot
    while first > start and dot - first < _MOST_HOST and _in_host(data[first - 1]):
        first -= 1
    if first == dot or look_up(data, dot + 1, stop, names, name_offsets, name_slots) < 0:
        return 0, 0
    first = _before_scheme(data, start, first)
    return _before_spaces(data, start, first), _path_end(data, stop, end)


@leaf
def _number_end(data: NDArray[np.uint8], i: int, end: int) -> int:
    """Where the digits from byte `i` on end, if `[0-2]?[0-9]{1,2}` matches them all; else 0."""
    stop = i
    while stop < end and stop - i < 4 and 48 <= data[stop] <= 57:
        stop += 1
    many = stop - i
    return stop if many in (1, 2) or (many == 3 and data[i] <= 50) else 0


@leaf
def _numbered(
    data: NDArray[np.uint8], begin: int, start: int, dot: int, end: int, flags: NDArray[np.uint16]
) -> tuple[int, int]:
    """First byte and end of the address whose first number ends before the dot; (0, 0) if there is none.

    `begin` is where the text begins, `start` where the last match ended.
    """
    first = dot
    while first > start and dot - first < 4 and 48 <= data[first - 1] <= 57:
        first -= 1
    if _number_end(data, first, dot) != dot or _word_before(data, begin, first, flags):
        return 0, 0
    i = dot + 1
    for _ in range(2):
        i = _number_end(data, i, end)
        if i in (0, end) or data[i] != 46:
            return 0, 0
        i += 1
    if i == end or not 48 <= data[i] <= 57:
        return 0, 0
    scheme = _before_scheme(data, start, first)
    if not _word_before(data, begin, scheme, flags):
        first = scheme
    return _before_spaces(data, start, first), _path_end(data, i, end)


@leaf
def _find(
    what: int,
    data: NDArray[np.uint8],
    begin: int,
    end: int,
    flags: NDArray[np.uint16],
    names: NDArray[np.uint8],
    name_offsets: NDArray[np.int64],
    name_slots: NDArray[np.int32],
    rows: NDArray[np.int64],
    total: int,
) -> int:
    """Write first byte and end of every match behind the first `total` rows; gives how many there are then."""
    reached = begin
    for block in range(begin, end, BLOCK):
        dots = range_mask(data, block, end, 46, 46)
        while dots:
            dot = block + lowest_bit(dots)
            dots &= dots - np.uint64(1)
            if dot < reached or dot == begin or dot + 1 == end:
                continue
            if what == _DOMAINS:
                first, last = _named(data, reached, dot, end, flags, names, name_offsets, name_slots)
            else:
                first, last = _numbered(data, begin, reached, dot, end, flags)
            if last:
                rows[total, 1], rows[total, 2] = first, last
                total += 1
                reached = last
    return total


@leaf
def _close_up(
    data: NDArray[np.uint8],
    begin: int,
    end: int,
    rows: NDArray[np.int64],
    first: int,
    total: int,
    work: NDArray[np.uint8],
    src: NDArray[np.int64],
) -> int:
    """Write what the rows from `first` on leave of a text, and where it came from; gives its length."""
    length, i = 0, begin
    for k in range(first, total + 1):
        stop = rows[k, 1] if k < total else end
        while i < stop:
            work[length], src[length] = data[i], i
            length += 1
            i += 1
        i = rows[k, 2] if k < total else end
    return length


@kernel
def _cuts(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    flags: NDArray[np.uint16],
    names: NDArray[np.uint8],
    name_offsets: NDArray[np.int64],
    name_slots: NDArray[np.int32],
    ip_addresses: bool,
    work: NDArray[np.uint8],
    text: NDArray[np.uint8],
    src: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rows of document, first byte and byte after the last, int64[m, 3].

    `work` and `text` are the same memory with room for the longest text, `src` has as much: a text without the
    addresses that have a name, in which those of numbers are looked for.
    """
    room = 0
    for i in range(len(data)):
        room += data[i] == 46
    rows = np.empty((room + 1, 3), np.int64)  # every match has a dot of its own
    total = 0
    for doc in range(len(offsets) - 1):
        begin, end, first = offsets[doc], offsets[doc + 1], total
        total = _find(_DOMAINS, data, begin, end, flags, names, name_offsets, name_slots, rows, total)
        if ip_addresses and total == first:
            total = _find(_ADDRESSES, data, begin, end, flags, names, name_offsets, name_slots, rows, total)
        elif ip_addresses:
            length = _close_up(data, begin, end, rows, first, total, work, src)
            found = _find(_ADDRESSES, text, 0, length, flags, names, name_offsets, name_slots, rows, total)
            if found > total:
                total = _both(begin, end, rows, first, total, found, src, length)
        for k in range(first, total):
            rows[k, 0] = doc
    return rows[:total]


@leaf
def _both(
    begin: int,
    end: int,
    rows: NDArray[np.int64],
    first: int,
    total: int,
    found: int,
    src: NDArray[np.int64],
    length: int,
) -> int:
    """Join the rows from `first` on with those from `total` to `found`, whose bytes are places in `src`."""
    for k in range(total, found):
        for i in range(rows[k, 1], rows[k, 2]):
            src[i] = -1
    total, reached = first, begin
    for i in range(length + 1):
        place = src[i] if i < length else end
        if place < 0:
            continue
        if place > reached:
            rows[total, 1], rows[total, 2] = reached, place
            total += 1
        reached = place + 1
    return total
