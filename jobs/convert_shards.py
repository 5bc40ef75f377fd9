"""Job: a finished export -> the files of another training library."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from curation.export.formats import mds, megatron
from curation.export.formats.documents import documents_of
from curation.export.manifest import NAME, from_bytes
from curation.export.settings import ExportError
from curation.export.shard import EVAL, TRAIN

Format = Literal["parquet", "memmap", "megatron", "mds"]

Batches = Callable[[], Iterator[pa.RecordBatch]]


def convert(shards: str, to: str, kind: Format) -> dict[str, int]:
    """Write the rows or the documents of an export in another format, all or nothing.

    Args:
        shards: the export's folder.
        to: the folder to write; it may not be there yet.
        kind: `parquet`: the same rows and columns. `memmap`: the tokens of all documents one after the other, raw, as
            OLMo reads them. `megatron`: these with an index, for Megatron's indexed dataset. `mds`: rows, for
            mosaicml-streaming. One folder per domain each.

    Returns:
        For each domain and split the bytes that were written.

    Raises:
        ExportError: there is no export, a shard is damaged, or the folder cannot be written.
    """
    folder, target = Path(shards), Path(to).absolute()
    if not (folder / NAME).is_file():
        raise ExportError(f"{shards} holds no {NAME}: give the folder that `winnow export` wrote to its end")
    if target.exists():
        raise ExportError(f"{to} is there already: give another folder with --to, or remove it")
    manifest = from_bytes((folder / NAME).read_bytes(), str(folder / NAME))
    if "loss_weights" in manifest and kind != "parquet":
        raise ExportError(
            f"{shards} holds conversations, and {kind} has no place for the loss weights of their tokens: what is only "
            "given would be learnt too. Give --format parquet"
        )
    temporary = target.with_name(f".tmp-{target.name}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        written = {}
        for domain in manifest["domains"]:
            for split in (TRAIN, EVAL):
                own = [s for s in manifest["shards"] if (s["domain"], s["split"]) == (domain["name"], split)]
                if own:
                    place = temporary / domain["folder"]
                    place.mkdir(exist_ok=True)
                    _WRITERS[kind](place, split, partial(_batches, folder, own), manifest)
                    files = [path for path in place.rglob("*") if path.relative_to(place).parts[0].startswith(split)]
                    written[f"{domain['name']} {split}"] = sum(path.stat().st_size for path in files if path.is_file())
        for name in (NAME, manifest["tokenizer"]["file"]):
            shutil.copyfile(folder / name, temporary / f"winnow-{name}")
        temporary.rename(target)
    except OSError as error:
        raise ExportError(f"{to} could not be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return written


def _batches(folder: Path, shards: list[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        try:
            with pa.memory_map(str(folder / shard["path"])) as source:
                content = source.read_buffer()
                if xxhash.xxh3_64_hexdigest(content) != shard["xxh3"]:
                    raise ExportError(f"{folder / shard['path']} is not what its manifest says: export anew")
                yield pa.ipc.open_file(content).get_batch(0)
        except FileNotFoundError as error:
            raise ExportError(f"{folder / shard['path']} is gone: export anew") from error


def _parquet(place: Path, split: str, batches: Batches, manifest: Mapping[str, Any]) -> None:
    for number, batch in enumerate(batches()):
        path = place / f"{split}-{number:05d}.parquet"
        pq.write_table(pa.table(batch), path, compression="zstd", row_group_size=512)


def _memmap(place: Path, split: str, batches: Batches, manifest: Mapping[str, Any]) -> None:
    with (place / f"{split}.npy").open("wb") as file:
        for batch in batches():
            file.write(documents_of(batch)[0].tobytes())


def _megatron(place: Path, split: str, batches: Batches, manifest: Mapping[str, Any]) -> None:
    kind, lengths = megatron.token_type(manifest["token_dtype"]), [np.empty(0, np.int64)]
    with (place / f"{split}.bin").open("wb") as file:
        for batch in batches():
            tokens, counts = documents_of(batch)
            file.write(tokens.astype(kind).tobytes())
            lengths.append(counts)
    (place / f"{split}.idx").write_bytes(megatron.index_of(np.concatenate(lengths), kind))


def _mds(place: Path, split: str, batches: Batches, manifest: Mapping[str, Any]) -> None:
    entries = []
    (place / split).mkdir()
    for number, batch in enumerate(batches()):
        name = f"shard.{number:05d}.mds"
        content, entry = mds.shard_of(batch, name)
        (place / split / name).write_bytes(content)
        entries.append(entry)
    (place / split / "index.json").write_bytes(mds.index_of(entries))


_WRITERS: Mapping[str, Callable[[Path, str, Batches, Mapping[str, Any]], None]] = {
    "parquet": _parquet,
    "memmap": _memmap,
    "megatron": _megatron,
    "mds": _mds,
}


if __name__ == "__main__":
    from jobs.cli import main

    main(["convert", *sys.argv[1:]])
