"""Documents by their properties are those that plain Python counts, on both engines; the uneven ones are named."""

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from curation.decide import NOT_REPRESENTATIVE
from curation.report.groups import Group, KeepRates
from curation.report.keep_rates import ALL, KeepRateError, facts, keep_rates, length_names
from curation.sampling.config import NOT_DRAWN
from curation.session import Session

FEW, LONG = "a.few", "a.long"


def make_rows(number: int = 900) -> list[dict[str, Any]]:
    draw = random.Random(3)
    rows = []
    for i in range(number):
        year = draw.choice([None, "2019", "2020", 2021, ""])
        strict = year == "2019"
        reasons = [name for name, share in ((FEW, 0.9 if strict else 0.2), (LONG, 0.1)) if draw.random() < share]
        reasons += [NOT_REPRESENTATIVE] if draw.random() < 0.2 else []
        reasons += [NOT_DRAWN] if not reasons and draw.random() < 0.5 else []
        rows.append(
            {
                "doc_id": f"{i:05}",
                "source": draw.choice(["web", "web", "books", None]),
                "language": {"label": draw.choice(["en", "de", None])},
                "num_bytes": draw.choice([0, 10, 10, 10, int(10 ** draw.uniform(0, 5))]),
                "reasons": reasons,
                "kept": not reasons,
                "metadata": json.dumps({"year": year, "http": {"status": 200 + i % 2}} if i % 7 else {}),
            }
        )
    return rows


ROWS = make_rows()
SCHEMA = pa.schema(
    [
        ("doc_id", pa.string()),
        ("source", pa.string()),
        ("language", pa.struct([("label", pa.string())])),
        ("num_bytes", pa.int64()),
        ("reasons", pa.list_(pa.string())),
        ("kept", pa.bool_()),
        ("metadata", pa.string()),
    ]
)


@pytest.fixture(scope="module")
def counted(session: Session) -> DataFrame:
    frame = session.spark.createDataFrame(pa.Table.from_pylist(ROWS, SCHEMA)).repartition(5)
    return facts(
        frame.select("doc_id", "kept", "reasons"),
        frame.select("doc_id", "num_bytes", "language"),
        frame.select("doc_id", "source", "metadata"),
        "language.label",
    )


def year_of(row: dict[str, Any]) -> str | None:
    found = json.loads(row["metadata"]).get("year")
    return None if found is None else str(found)


def status_of(row: dict[str, Any]) -> str | None:
    found = json.loads(row["metadata"]).get("http")
    return None if found is None else str(found["status"])


def check(rates: KeepRates, names: dict[str, str | None]) -> None:
    assert {group.name for group in rates.groups} == set(names.values())
    for group in rates.groups:
        mine = [row for row in ROWS if names[row["doc_id"]] == group.name]
        left = [row for row in mine if not set(row["reasons"]) - {NOT_REPRESENTATIVE, NOT_DRAWN}]
        assert group.documents == len(mine)
        assert group.num_bytes == sum(row["num_bytes"] for row in mine)
        assert group.after_rules == len(left)
        assert group.after_dedup == sum(NOT_REPRESENTATIVE not in row["reasons"] for row in left)
        assert group.kept == sum(row["kept"] for row in mine)
        assert group.kept_bytes == sum(row["num_bytes"] for row in mine if row["kept"])


def test_groups_are_those_of_plain_python(counted: DataFrame) -> None:
    by = [ALL, "source", "language", "metadata.year", "metadata.http.status"]
    found = keep_rates(counted, by)
    assert list(found) == by
    check(found[ALL], {row["doc_id"]: None for row in ROWS})
    check(found["source"], {row["doc_id"]: row["source"] for row in ROWS})
    check(found["language"], {row["doc_id"]: row["language"]["label"] for row in ROWS})
    check(found["metadata.year"], {row["doc_id"]: year_of(row) for row in ROWS})
    check(found["metadata.http.status"], {row["doc_id"]: status_of(row) for row in ROWS})
    sizes = [group.documents for group in found["metadata.year"].groups]
    assert sizes == sorted(sizes, reverse=True)


def test_tenths_by_length_part_no_equal_sizes(counted: DataFrame) -> None:
    rates = keep_rates(counted, ["source", "length"])["length"]
    sizes = np.array([row["num_bytes"] for row in ROWS])
    edges = sorted({int(edge) for edge in np.percentile(sizes, range(10, 100, 10))})
    names = length_names(edges)
    assert [group.name for group in rates.groups] == names
    assert len(names) < 10  # many have the same size
    assert max(group.documents for group in rates.groups) > len(ROWS) / 3

    def name_of(size: int) -> str:
        return names[sum(size > edge for edge in edges)]

    check(rates, {row["doc_id"]: name_of(row["num_bytes"]) for row in ROWS})


def test_a_rule_that_chooses_by_year_is_seen(counted: DataFrame) -> None:
    found = keep_rates(counted, [ALL, "source", "metadata.year"], [FEW, LONG])
    (total,) = found[ALL].groups
    assert found["source"].uneven(total) == ()
    (group,) = found["metadata.year"].uneven(total)
    assert group.name == "2019"
    counts = Counter(reason for row in ROWS for reason in row["reasons"])
    mine = [row for row in ROWS if year_of(row) == "2019"]
    have = sum(FEW in row["reasons"] for row in mine)
    (first, *_) = found["metadata.year"].reasons["2019"]
    assert first == (FEW, have, pytest.approx(have / (counts[FEW] / len(ROWS) * len(mine))))
    said = found["metadata.year"].said(group, total)
    assert said.startswith(
        f"metadata.year 2019: rules leave {group.after_rules / len(mine):.1%} of {len(mine)} documents"
    )
    assert f"most for {FEW} (" in said


def test_nothing_is_uneven_by_chance() -> None:
    total = Group(name=None, documents=1000, after_rules=500)
    few = Group(name="few", documents=4, after_rules=0)
    many = Group(name="many", documents=400, after_rules=90)
    rates = KeepRates(by="source", groups=(few, many, total))
    assert rates.uneven(total) == (many,)


@pytest.mark.parametrize("by", ["sources", "metadata", "metadata.", "metadata.a..b", "metadata.a'b"])
def test_unknown_properties_are_refused(counted: DataFrame, by: str) -> None:
    with pytest.raises(KeepRateError, match=r"expected source, language, length or metadata\.FIELD"):
        keep_rates(counted, [by])


def test_no_documents(counted: DataFrame) -> None:
    found = keep_rates(counted.limit(0), [ALL, "source", "length"], [FEW])
    assert all(one.groups == () for one in found.values())
