"""Recipe: one frozen value that says what is curated and how."""

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from curation.dedup.config import Dedup
from curation.edits.edit import CorpusEdit, Edit
from curation.errors import WinnowError
from curation.rules import Rule, check_rules
from curation.sampling.config import Sampling
from curation.sampling.weighting import SoftDedup
from curation.signals.signal import Signal

Stage = Literal["edit", "measure", "dedup", "decide", "weigh", "sample"]


class RecipeError(WinnowError):
    """A recipe that cannot be found, read or carried out."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is measured, what is bounded, how duplicates are found and how the rest is sampled.

    Vary one with `dataclasses.replace`. A recipe is JSON in and out: `Recipe.from_json(recipe.to_json()) == recipe`.

    Attributes:
        name: a name for people; it does not enter the hash.
        says: one line on what the recipe is; it does not enter the hash.
        edits: changes of the texts, in order, each name once; they come before everything else.
        signals: the signals, each name once.
        rules: the rules, in the order in which their reasons are given.
        dedup: how duplicates are found; None keeps them all.
        sampling: how a budget is drawn from what is left; None keeps everything.
        weighting: how often what stays is to be taken; None: each document once.
        alarm_source_loss: a source of which rules and deduplication drop more than this share is reported loudly; it
            does not enter the hash.

    Raises:
        RecipeError: two signals or two edits share a name, or sampling is by a measurement that is not there.
        RuleError: a rule is on a measurement that no signal makes.
    """

    name: str
    says: str = ""
    edits: tuple[Edit | CorpusEdit, ...] = ()
    signals: tuple[Signal, ...] = ()
    rules: tuple[Rule, ...] = ()
    dedup: Dedup | None = None
    sampling: Sampling | None = None
    alarm_source_loss: float = 0.9
    weighting: SoftDedup | None = field(default=None, metadata={"added_later": True})

    def __post_init__(self) -> None:
        for what, named in (("signals", self.signals), ("edits", self.edits)):
            names = [one.name for one in named]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise RecipeError(f"recipe {self.name!r}: two {what} are called {', '.join(twice)}")
        check_rules(self.rules, self.columns())
        if self.sampling is not None:
            for column in self.sampling.columns():
                if column not in self.columns():
                    raise RecipeError(
                        f"recipe {self.name!r}: sampling uses {column!r}, which no signal measures. "
                        f"Numbers are: {', '.join(sorted(self.columns())[:12])}, ..."
                    )

    def columns(self) -> dict[str, pa.DataType]:
        """Every measurement, `signal.column` to its type."""
        return {f"{signal.name}.{field.name}": field.type for signal in self.signals for field in signal.schema}

    def settings(self, stage: Stage) -> Any:
        """The part of the recipe that the result of one stage depends on, as plain JSON."""
        if stage == "weigh":  # what the model depends on; segments and their weights are for `sample`
            return None if self.weighting is None else [self.weighting.order, self.weighting.min_count]
        of_stage: dict[str, Any] = {
            "edit": self.edits,
            "measure": self.signals,
            "dedup": [self.dedup, self.rules],
            "decide": self.rules,
            "sample": self.sampling if self.weighting is None else [self.sampling, self.weighting],
        }
        return encode(of_stage[stage])

    @property
    def hash(self) -> str:
        """16 hexadecimal digits that change when anything that decides about documents changes."""
        body = [self.settings(stage) for stage in ("measure", "dedup", "decide", "sample")]
        if self.edits:
            body.append(self.settings("edit"))
        return hashlib.sha256(canonical(body).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The recipe as readable JSON."""
        return json.dumps(encode(self), indent=2, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        """The recipe that `to_json` wrote.

        Raises:
            RecipeError: the text is not JSON, or not that of a recipe of this version.
        """
        try:
            found = decode(json.loads(text))
        except json.JSONDecodeError as error:
            raise RecipeError(f"this is not the JSON of a recipe: {error}") from error
        if not isinstance(found, Recipe):
            raise RecipeError(f'expected the JSON of a recipe ("type": "curation.recipe.Recipe"), got {text[:80]!r}')
        return found


def canonical(value: Any) -> str:
    """Plain JSON in one spelling: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def encode(value: Any) -> Any:
    """A frozen dataclass, with all that is in it, as plain JSON that names its type.

    A field whose metadata says `added_later` is left out where it has its default: the hashes of recipes that were
    written before there was such a field stay what they are.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {
            field.name: encode(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init and not (field.metadata.get("added_later") and getattr(value, field.name) == field.default)
        }
        return {"type": f"{kind.__module__}.{kind.__qualname__}", **fields}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise RecipeError(f"a recipe holds plain values and frozen dataclasses only, got {value!r}")


def decode(value: Any) -> Any:
    """What `encode` was given. Lists come back as tuples."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    fields = {key: decode(item) for key, item in value.items() if key != "type"}
    if "type" not in value:
        return fields
    kind = _type_named(value["type"])
    known = {field.name for field in dataclasses.fields(kind) if field.init}
    unknown = sorted(set(fields) - known)
    if unknown:
        raise RecipeError(f"{value['type']} has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return kind(**fields)


def _type_named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    if module.split(".")[0] != "curation":
        raise RecipeError(f"a recipe may name types of the package curation only, got {path!r}")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"this version has no {path}: {error}") from error
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise RecipeError(f"{path} is not a dataclass")
    return kind
