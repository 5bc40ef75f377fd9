import gzip
import io
import zlib

import pyarrow as pa
import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given, settings
from hypothesis import strategies as st
from references.warc_files import member, members, record

from curation.sources.members import Begin, Data, End, Member, read_members
from curation.sources.piece import Rejected
from curation.sources.settings import Limits
from curation.sources.unpack import RawStream
from curation.sources.warc import WarcRecord, read_records


class Dribble(io.RawIOBase):
    """A stream that gives few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._stream, self._step = io.BytesIO(data), step

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, self._step))


def read(data: bytes, packing="gzip", step: int = 1 << 20, **limits) -> tuple[list[WarcRecord], list[Rejected]]:
    bounds = Limits(**limits)
    raw = RawStream(Dribble(data, step), hashing=True)
    size = len(data) if packing == "plain" else None
    events = read_members(raw, packing, bounds)
    found = list(read_records(events, bounds, packed=packing == "gzip", num_bytes=size))
    return [one for one in found if isinstance(one, WarcRecord)], [one for one in found if isinstance(one, Rejected)]


def reasons(rejected: list[Rejected]) -> list[tuple[int | None, str]]:
    return [(one.record, one.reason) for one in rejected]


BLOCKS = [b"first", b"second " * 400, b"", b"fourth\r\n\r\nwith WARC/1.0 in it\r\n\r\n", b"fifth"]
RECORDS = [record(block, number=number) for number, block in enumerate(BLOCKS)]


@pytest.mark.parametrize("step", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_whole_files(packing, step):
    stored = RECORDS if packing == "plain" else list(map(member, RECORDS))
    found, rejected = read(b"".join(stored), packing, step)
    assert rejected == []
    assert [one.block for one in found] == BLOCKS
    assert [one.number for one in found] == [1, 2, 3, 4, 5]
    for one, bytes_of_it in zip(found, stored, strict=True):
        there = b"".join(stored)[one.offset :][: one.num_bytes]
        assert there == (bytes_of_it if packing == "gzip" else bytes_of_it.removesuffix(b"\r\n\r\n"))
        assert one.inner_offset == 0


@pytest.mark.parametrize(
    "name",
    [
        "commoncrawl_2020-34_sample.warc.gz",
        "commoncrawl_2024-22_one_page.warc.wet.gz",
        "trafilatura_pages.warc.gz",
    ],
)
def test_agrees_with_fastwarc_on_real_files(shared, name):
    path = shared / "data" / "warc" / name
    found, rejected = read(path.read_bytes())
    with path.open("rb") as stream:
        theirs = [
            (one.record_id, one.stream_pos, one.reader.read()) for one in ArchiveIterator(stream, parse_http=False)
        ]
    assert rejected == []
    assert [(one.headers["warc-record-id"], one.offset, one.block) for one in found] == theirs
    for one in found:
        alone = gzip.decompress(path.read_bytes()[one.offset :][: one.num_bytes])
        assert alone.startswith(b"WARC/1.0\r\n")
        assert one.block in alone


def test_records_that_share_a_member_have_a_place_inside_it():
    found, rejected = read(member(b"".join(RECORDS)))
    assert rejected == []
    assert [one.block for one in found] == BLOCKS
    assert {one.offset for one in found} == {0}
    assert {one.num_bytes for one in found} == {None}
    whole = b"".join(RECORDS)
    assert all(whole[one.inner_offset :].startswith(RECORDS[one.number - 1]) for one in found)


def test_a_record_across_members_is_read():
    whole = b"".join(RECORDS)
    data = member(whole[:700]) + member(whole[700:2000]) + member(whole[2000:])
    found, rejected = read(data)
    assert rejected == []
    assert [one.block for one in found] == BLOCKS


@pytest.mark.parametrize("packing", ["plain", "gzip"])
@pytest.mark.parametrize("length", [3, 2790, 2900, 4000, 100_000, 10**12, "12x", "-1", ""])
def test_a_wrong_length_costs_one_record(packing, length):
    wrong = [RECORDS[0], record(BLOCKS[1], length=length), *RECORDS[2:]]
    data = members(wrong) if packing == "gzip" else b"".join(wrong)
    found, rejected = read(data, packing)
    ours = ["warc.wrong_length"] if isinstance(length, int) else ["warc.bad_header"]
    if packing == "gzip" and length == 10**12:
        ours = ["record.too_large"]
    assert reasons(rejected) == [(2, ours[0])]
    assert [one.block for one in found] == [BLOCKS[0], *BLOCKS[2:]]
    assert [one.number for one in found] == [1, 3, 4, 5]
    assert rejected[0].raw.startswith(b"WARC/1.0")


@pytest.mark.parametrize("packing", ["plain", "gzip"])
@pytest.mark.parametrize("trailer", [b"", b"\r\n", b"\n\n", b"\r\n" * 5])
def test_another_trailer_costs_nothing(packing, trailer):
    records = [record(block, trailer=trailer) for block in BLOCKS]
    found, rejected = read(members(records) if packing == "gzip" else b"".join(records), packing)
    assert rejected == []
    assert [bytes(one.block).rstrip() for one in found] == [block.rstrip() for block in BLOCKS]


def test_junk_between_records_is_set_aside():
    plain = RECORDS[0] + b"\0junk, no record\n" + RECORDS[1]
    found, rejected = read(plain, "plain")
    assert [one.block for one in found] == BLOCKS[:2]
    assert reasons(rejected) == [(None, "warc.junk")]
    packed = member(RECORDS[0]) + b"this is not gzip" + member(RECORDS[1]) + b"\0" * 512
    found, rejected = read(packed)
    assert [one.block for one in found] == BLOCKS[:2]
    assert reasons(rejected) == [(None, "warc.junk")]
    assert "16 bytes" in rejected[0].detail


def test_a_large_record_is_passed_over_in_bounded_memory():
    large = record(b"x" * 5_000_000)
    found, rejected = read(members([RECORDS[0], large, RECORDS[1]]), max_record_bytes=100_000, max_raw_bytes=50)
    assert [one.block for one in found] == BLOCKS[:2]
    assert reasons(rejected) == [(2, "record.too_large")]
    assert len(rejected[0].raw) == 50


def test_a_header_without_end_costs_one_record():
    endless = b"WARC/1.0\r\n" + b"X: y\r\n" * 20_000
    found, rejected = read(endless + b"\r\n" + RECORDS[1], "plain")
    assert [one.block for one in found] == [BLOCKS[1]]
    assert reasons(rejected) == [(1, "warc.bad_header")]


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_file_that_breaks_off_keeps_what_is_whole(cut):
    found, rejected = read(members(RECORDS)[:-cut])
    assert [one.block for one in found] == BLOCKS[:-1]
    assert reasons(rejected) == [(5, "file.truncated")]


def test_what_is_no_gzip_is_told():
    assert reasons(read(b"WARC/1.0\r\n")[1]) == [(None, "file.wrong_format")]


def test_a_bomb_is_cut():
    data = member(RECORDS[0]) + zlib.compress(b"\0" * (80 << 20), wbits=31)
    found, rejected = read(data)
    assert [one.block for one in found] == BLOCKS[:1]
    assert rejected[-1].reason == "file.bomb"


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.sampled_from(["flip", "cut", "insert", "zero"]),
    st.integers(1, 40),
    st.sampled_from([37, 1 << 20]),
)
def test_damage_anywhere_costs_the_records_that_it_touches(where, way, size, step):
    stored = [member(record(b"%d " % number * 60, number=number)) for number in range(6)]
    whole = b"".join(stored)
    place = where % (len(whole) - size)
    hurt = {
        "flip": bytes(byte ^ 0x55 for byte in whole[place : place + size]),
        "cut": b"",
        "insert": b"\x1f\x8b\x08" * size + whole[place : place + size],
        "zero": bytes(size),
    }[way]
    found, _ = read(whole[:place] + hurt + whole[place + size :], step=step)
    start, untouched = 0, []
    for number, one in enumerate(stored):
        if start + len(one) <= place or start >= place + size:
            untouched.append(b"%d " % number * 60)
        start += len(one)
    blocks = [one.block for one in found]
    assert [block for block in blocks if block in untouched] == untouched
    assert all(block in [b"%d " % number * 60 for number in range(6)] for block in blocks)


def parts(event):
    """What a member says, said in three events."""
    if not isinstance(event, Member):
        return [event]
    return [Begin(event.offset), *([Data(event.data)] if event.data else []), End(event.end)]


odd = st.sampled_from(
    [
        RECORDS[0],
        RECORDS[1] + RECORDS[2],
        RECORDS[3],
        RECORDS[3][:-2],
        RECORDS[3] + b"\r\n",
        RECORDS[3][:30],
        RECORDS[4].replace(b"\r\n", b"\n"),
        record(b"said to be longer", length=40),
        record(b"said to be shorter", length=3),
        record(b"x" * 2000),
        b"WARC/1.0\r\nno colon\r\n\r\n\r\n\r\n",
        b"junk\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(odd, max_size=6), st.integers(0, 60))
def test_a_member_in_one_event_gives_the_same_as_in_parts(contents, cut):
    """What is usual goes another way than what is not, and nobody can tell."""
    stored = b"".join(map(member, contents))
    bounds = Limits(max_record_bytes=1000)

    def events():
        return read_members(RawStream(Dribble(stored[: len(stored) - cut], 1 << 20), hashing=True), "gzip", bounds)

    whole = list(read_records(events(), bounds, packed=True))
    assert whole == list(read_records((part for event in events() for part in parts(event)), bounds, packed=True))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["plain", "gzip"]))
def test_any_bytes_end(junk, packing):
    data = RECORDS[0] + junk + RECORDS[1]
    found, _ = read(member(data) if packing == "gzip" else data, packing)
    assert pa.array([one.block for one in found], pa.binary()) is not None
    assert len(found) <= 4
