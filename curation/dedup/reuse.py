"""Components that are as they were: what verification found there once holds still."""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from curation.dedup.groups import VERIFIED
from curation.tables import VERIFIED_TEXTS

_FOUND = tuple(name for name in VERIFIED.names if name != "doc_id")
_NODE = tuple(name for name in VERIFIED_TEXTS.schema.names if name not in _FOUND)
_COMPONENT = ["component", "scope"]


@dataclass(frozen=True)
class Reused:
    """The compared texts, parted by whether anything about their component has changed.

    Attributes:
        unchanged: rows of the table `verified` of the components that are as they were.
        changed: the nodes of all other components.
    """

    unchanged: DataFrame
    changed: DataFrame


def reusable(nodes: DataFrame, verified: DataFrame) -> Reused:
    """Which components have exactly the members that they had: the same texts, preferences and sizes, each.

    What verification finds depends on the members of a component, on their order of preference and on the settings
    alone. A new text makes its component a changed one, and so does one that is gone, preferred otherwise, or moved to
    another component: such a component is verified as a whole, because the choice of representatives is one of the
    whole.

    Args:
        nodes: the compared texts with all columns of the table `verified` that do not say what was found.
        verified: rows of the table `verified`, found with the same settings.
    """
    # a member that is found again agrees in the size of its component too: as many of them are all of them
    same = verified.select(*VERIFIED_TEXTS.schema.names).join(nodes.select(*_NODE), list(_NODE), "left_semi")
    counted = same.groupBy(*_COMPONENT, "num_texts").agg(F.count("*").alias("found_again"))
    whole = counted.where(F.col("found_again") == F.col("num_texts")).select(*_COMPONENT)
    return Reused(same.join(whole, _COMPONENT, "left_semi"), nodes.join(whole, _COMPONENT, "left_anti"))


def as_verified(nodes: DataFrame, rows: DataFrame | None) -> DataFrame:
    """Rows of the table `verified`: each node with what verification found for it, null where it found nothing.

    Args:
        nodes: the compared texts.
        rows: rows of `curation.dedup.groups.VERIFIED`, None where there are none.
    """
    node = nodes.select(*_NODE)
    if rows is None:
        nothing = [F.lit(None).cast(_SPARK_TYPES[name]).alias(name) for name in _FOUND]
        return node.select("*", *nothing)
    return node.join(rows, "doc_id", "left").select(*VERIFIED_TEXTS.schema.names)


_SPARK_TYPES = {
    "cluster_id": "string",
    "representative": "string",
    "similarity": "double",
    "num_comparisons": "bigint",
    "num_verified": "bigint",
}
