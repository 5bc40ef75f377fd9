"""Candidates and components on the engines, against plain Python."""

import dataclasses
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.dedup.candidates import candidates
from curation.dedup.components import check_labels, connected
from curation.dedup.config import Dedup
from curation.dedup.minhash import MinHash
from curation.dedup.nominate import nominate, stars_of
from curation.dedup.unionfind import components


def edges_of(pairs: list[tuple[int, int]]) -> pa.Table:
    left, right = (pa.array([pair[k] for pair in pairs], pa.int64()) for k in (0, 1))
    return pa.table({"left": left, "right": right})


def labels_of(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found = components(np.array([a for a, _ in pairs], np.int64), np.array([b for _, b in pairs], np.int64))
    return list(zip(found.vertex.tolist(), found.component.tolist(), strict=True))


def graph() -> list[tuple[int, int]]:
    """Chains (the hardest for stars), a star, a clique, trees; ids of both signs, edges repeated and reversed."""
    generator = random.Random(5)
    ids = [generator.getrandbits(64) - 2**63 for _ in range(700)]
    pairs = [(ids[i], ids[i + 1]) for i in range(300) if i != 150]
    pairs += [(ids[310], ids[i]) for i in range(311, 400)]
    pairs += [(ids[i], ids[j]) for i in range(400, 410) for j in range(i + 1, 410)]
    pairs += [(ids[i], ids[generator.randrange(420, i)]) for i in range(421, 600)]
    pairs += [(b, a) for a, b in pairs[::7]] + pairs[::11]
    generator.shuffle(pairs)
    return pairs


@pytest.mark.parametrize("max_local_edges", [1, 1_000_000])
def test_components_are_those_of_one_worker(bench: Any, rows: Any, max_local_edges: int) -> None:
    pairs = graph()
    found = connected(bench.frame(edges_of(pairs), partitions=6), bench.checkpoint, max_local_edges=max_local_edges)
    assert rows(found.labels) == labels_of(pairs)
    assert found.num_edges == len(pairs)
    assert found.num_vertices == len(labels_of(pairs))
    assert (found.num_rounds == 0) == (max_local_edges > 1)


def test_no_edges_no_components(bench: Any, rows: Any) -> None:
    found = connected(bench.frame(edges_of([]), partitions=1), bench.checkpoint, max_local_edges=1)
    assert (rows(found.labels), found.num_vertices) == ([], 0)


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        ([(1, 1), (2, 1), (3, 3), (4, 3), (4, 4)], "1 stand more than once"),
        ([(1, 1), (2, 1), (3, 3), (4, 4)], "1 edges join two components"),
        ([(1, 1), (2, 1), (3, 3)], "1 edges have an end without a component"),
    ],
)
def test_wrong_components_are_refused(bench: Any, labels: list[tuple[int, int]], fault: str) -> None:
    table = pa.table({"vertex": [a for a, _ in labels], "component": [b for _, b in labels]})
    with pytest.raises(RuntimeError, match=fault):
        check_labels(bench.frame(edges_of([(1, 2), (3, 4)])), bench.frame(table))


def sketches_of(documents: list[tuple[int, list[int]]]) -> pa.Table:
    return pa.table(
        {
            "low": pa.array([vertex for vertex, _ in documents], pa.int64()),
            "keys": pa.array([keys for _, keys in documents], pa.list_(pa.int64())),
        }
    )


def test_candidates_are_stars_without_twins(bench: Any, rows: Any) -> None:
    documents = [(5, [1, 2]), (7, [1, 2]), (-3, [2, 9]), (8, [4]), (8, [4]), (6, []), (5, [1, 2])]
    found = candidates(bench.frame(sketches_of(documents)), 100, bench.checkpoint)
    assert rows(found.edges) == [(5, -3), (7, -3), (7, 5)]
    assert (found.num_buckets, found.num_split_buckets, found.largest_bucket) == (2, 0, 4)


def test_large_buckets_are_split_and_twins_do_not_make_a_bucket_large(bench: Any, rows: Any) -> None:
    generator = random.Random(1)
    vertices = [generator.getrandbits(64) - 2**63 for _ in range(1000)]
    documents = [(vertex, [77]) for vertex in vertices]
    documents += [(1, [88])] * 500 + [(2, [88])]  # many documents, two texts
    found = candidates(bench.frame(sketches_of(documents)), 100, bench.checkpoint)
    assert (found.num_buckets, found.num_split_buckets, found.largest_bucket) == (2, 1, 1000)
    stars: dict[int, list[int]] = {}
    for vertex in vertices:
        stars.setdefault(vertex % 10, []).append(vertex)
    expected = {(vertex, min(star)) for star in stars.values() for vertex in star if vertex != min(star)}
    assert rows(found.edges) == sorted({*expected, (2, 1)})


def crowd() -> list[tuple[int, list[int]]]:
    """Documents with two keys each: buckets of all sizes, one that has to be split, twins, a bucket of twins alone."""
    generator = random.Random(8)
    vertices = [generator.getrandbits(64) - 2**63 for _ in range(400)]
    documents = [(vertex, [generator.randrange(150), 1000 + generator.randrange(300)]) for vertex in vertices]
    documents += [(vertex, [5000, 6000 + i]) for i, vertex in enumerate(vertices[:90])]
    documents += documents[:40] + [(1, [7000, 7001])] * 50 + [(2, [])]
    return documents


def test_one_worker_nominates_what_all_machines_do(bench: Any, rows: Any) -> None:
    documents = bench.frame(sketches_of(crowd()), partitions=3)
    config = Dedup(minhash=MinHash(bands=2, rows=4), max_bucket_size=25)
    num_keys = len(crowd()) * 2
    found = []
    for most in (num_keys, num_keys - 1):
        bounded = dataclasses.replace(config, max_local_edges=most)
        found.append(nominate(documents, len(crowd()), bounded, bench.checkpoint))
    alone, together = found
    assert rows(alone.labels) == rows(together.labels)
    assert alone.num_split_buckets == 1
    assert alone.largest_bucket >= 90
    for name in ("num_buckets", "num_split_buckets", "largest_bucket", "num_edges"):
        assert getattr(alone, name) == getattr(together, name), name


@pytest.mark.parametrize("documents", [[], [(3, [])], [(3, [1]), (4, [2]), (3, [1])]])
def test_one_worker_with_nothing_to_nominate(bench: Any, rows: Any, documents: list[tuple[int, list[int]]]) -> None:
    frame = bench.frame(sketches_of(documents), partitions=1)
    found = nominate(frame, len(documents), Dedup(minhash=MinHash(bands=2, rows=4)), bench.checkpoint)
    assert rows(found.labels) == []
    assert (found.num_buckets, found.num_edges, found.largest_bucket, found.num_rounds) == (0, 0, 0, 0)


def test_stars_name_each_pair_once() -> None:
    documents = [(5, [1, 2]), (7, [1, 2]), (-3, [2, 9]), (8, [4]), (8, [4]), (6, []), (5, [1, 2])]
    keys = np.array([key for _, held in documents for key in held])
    vertices = np.array([vertex for vertex, held in documents for _ in held])
    stars = stars_of(keys, vertices, 100)
    assert list(zip(stars.left.tolist(), stars.right.tolist(), strict=True)) == [(5, -3), (7, -3), (7, 5)]
    assert (stars.num_buckets, stars.num_split_buckets, stars.largest_bucket) == (2, 0, 4)
