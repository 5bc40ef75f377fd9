import random
import tracemalloc
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
import xxhash
import zstandard
from references.packing import gzipped

from curation.sources.settings import Limits
from curation.sources.unpack import CHUNK_BYTES, NOT_READABLE, FileFaultError, Packing, RawStream, unpack

NOISE = random.Random(7).randbytes(1_200_000)
DATA = NOISE + b'{"text": "a"}\n' * 200_000
PACK: dict[Packing, Callable[[bytes], bytes]] = {
    "gzip": gzipped,
    "zstd": zstandard.ZstdCompressor().compress,
    "plain": bytes,
}


def read(
    packed: bytes, packing: Packing, limits: Limits | None = None
) -> tuple[bytes, FileFaultError | None, RawStream]:
    raw = RawStream(pa.BufferReader(packed), hashing=True)
    parts = []
    try:
        for chunk in unpack(raw, packing, limits or Limits()):
            assert 0 < len(chunk) <= CHUNK_BYTES + (32 << 20)
            parts.append(chunk)
    except FileFaultError as fault:
        return b"".join(parts), fault, raw
    return b"".join(parts), None, raw


@pytest.mark.parametrize("packing", PACK)
def test_gives_back_what_was_packed(packing):
    found, fault, raw = read(PACK[packing](DATA), packing)
    assert (found, fault) == (DATA, None)
    assert raw.fingerprint() == xxhash.xxh3_128_hexdigest(PACK[packing](DATA))


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_reads_members_one_after_another(packing):
    pack = PACK[packing]
    found, fault, _ = read(pack(DATA) + pack(b"") + pack(b"end"), packing)
    assert (found, fault) == (DATA + b"end", None)


def test_passes_over_zeros_after_a_gzip_member():
    assert read(gzipped(b"a") + b"\0" * 3000 + gzipped(b"b") + b"\0" * 9, "gzip")[:2] == (b"ab", None)


def test_passes_over_skippable_zstd_frames():
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    assert read(skippable + PACK["zstd"](b"a") + skippable, "zstd")[:2] == (b"a", None)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
@pytest.mark.parametrize("share", [0.0001, 0.3, 0.9, 0.999999])
def test_truncated_gives_what_was_there(packing, share):
    packed = PACK[packing](DATA)
    found, fault, _ = read(packed[: max(1, int(len(packed) * share))], packing)
    assert fault is not None
    assert fault.reason == "file.truncated"
    assert DATA.startswith(found)
    # zstd unpacks in blocks of 128 KiB
    assert len(found) >= len(NOISE) * min(share, 0.75) - (200_000 if packing == "zstd" else 40_000)


def test_a_damaged_gzip_gives_what_stands_before_the_damage():
    packed = bytearray(gzipped(DATA))
    middle = len(packed) // 2
    packed[middle : middle + 5000] = b"\xff" * 5000
    found, fault, _ = read(bytes(packed), "gzip")
    assert fault is not None
    assert fault.reason == "file.corrupt"
    intact = zlib.decompressobj(31).decompress(gzipped(DATA)[:middle])
    assert found[: len(intact)] == intact


def test_a_wrong_checksum_loses_nothing_but_trust():
    packed = gzipped(DATA)
    found, fault, _ = read(packed[:-8] + b"\0\1\2\3" + packed[-4:], "gzip")
    assert found == DATA
    assert fault is not None
    assert fault.reason == "file.corrupt"


def test_a_damaged_zstd_is_corrupt():
    packed = bytearray(PACK["zstd"](DATA))
    packed[100_000:100_100] = b"\xff" * 100
    packed[200_000:200_004] = b"\xff" * 4
    assert read(bytes(packed) + b"junk" * 1000, "zstd")[1].reason == "file.corrupt"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "packing"),
    [(b'{"text": "plain"}\n', "gzip"), (b'{"text": "plain"}\n', "zstd"), (gzipped(b"a"), "plain"),
     (PACK["zstd"](b"a"), "plain"), (gzipped(b"a"), "zstd"), (PACK["zstd"](b"a"), "gzip")],
)  # fmt: skip
def test_another_packing_than_the_name_says(data, packing):
    found, fault, _ = read(data, packing)
    assert found == b""
    assert fault is not None
    assert fault.reason == "file.wrong_format"


@pytest.mark.parametrize("packing", PACK)
def test_an_empty_file_is_no_fault(packing):
    assert read(b"", packing)[:2] == (b"", None)


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_is_cut_in_bounded_memory(packing):
    bomb = PACK[packing](b"\0" * (300 << 20))
    raw = RawStream(pa.BufferReader(bomb), hashing=True)
    tracemalloc.start()
    chunks = unpack(raw, packing, Limits(max_expansion=100))
    num_bytes = 0

    def read_all() -> None:
        nonlocal num_bytes
        for chunk in chunks:
            num_bytes += len(chunk)

    with pytest.raises(FileFaultError, match=r"file\.bomb"):
        read_all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert num_bytes < 160 << 20
    assert peak < 120 << 20
    assert raw.fingerprint() == xxhash.xxh3_128_hexdigest(bomb)


def test_an_absolute_bound_on_unpacked_bytes():
    found, fault, _ = read(gzipped(DATA), "gzip", Limits(max_unpacked_bytes=1_000_000))
    assert fault is not None
    assert fault.reason == "file.bomb"
    assert len(found) <= 1_000_000


def test_ordinary_repetition_is_no_bomb():
    data = b'{"text": "' + b"x" * 1000 + b'"}\n'
    assert read(gzipped(data * 20_000), "gzip")[1] is None  # 20 MB, packed 250 times and more


@pytest.mark.parametrize("packing", PACK)
def test_failing_storage_is_told_apart_from_a_bad_file(packing):
    class Failing:
        def __init__(self) -> None:
            self.pieces = [PACK[packing](DATA)[:5000]]

        def read(self, num_bytes: int) -> bytes:
            if not self.pieces:
                raise OSError("the disk is gone")
            return self.pieces.pop()

    raw = RawStream(Failing(), hashing=True)  # type: ignore[arg-type]
    with pytest.raises(FileFaultError) as caught:
        list(unpack(raw, packing, Limits()))
    assert caught.value.reason == NOT_READABLE
    assert raw.failed
    assert raw.fingerprint() is None
