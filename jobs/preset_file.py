"""Training runs by name, from a Python file, from JSON, or from the folder of an earlier run."""

import difflib
import importlib
import pkgutil
import runpy
from dataclasses import replace
from pathlib import Path

import jobs.presets
from training.config import TrainConfig, from_json
from training.errors import ConfigError

RECORD = "config.json"
"""The config in a run's folder."""


def preset_names() -> list[str]:
    """Names of the training runs that come with Winnow."""
    return sorted(module.name for module in pkgutil.iter_modules(jobs.presets.__path__))


def what_it_is(name: str) -> str:
    """First line of what a preset says of itself."""
    said = importlib.import_module(f"jobs.presets.{name}").__doc__ or ""
    return said.strip().splitlines()[0]


def load_preset(reference: str) -> TrainConfig:
    """The preset of that name, a `.py` file (its value `CONFIG`), a `.json` file, or the config of a run's folder.

    Raises:
        ConfigError: there is none; the message offers those that there are.
    """
    path = Path(reference)
    if (path / RECORD).is_file():
        path /= RECORD
    if path.suffix in (".py", ".json"):
        if not path.is_file():
            raise ConfigError(f"there is no file {reference}")
        if path.suffix == ".json":
            return from_json(path.read_bytes(), str(path))
        return _checked(runpy.run_path(str(path)).get("CONFIG"), reference)
    names = preset_names()
    if reference not in names:
        near = difflib.get_close_matches(reference, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(
            f"unknown preset {reference!r}.{hint} Known are: {', '.join(names)}; or give a .py or .json file"
        )
    return _checked(importlib.import_module(f"jobs.presets.{reference}").CONFIG, reference)


def with_places(config: TrainConfig, *, shards: str | None, model: str | None) -> TrainConfig:
    """A config that reads other shards, and goes on with a model that is there."""
    if shards is not None:
        config = replace(config, data=replace(config.data, shards=shards))
    if model is not None:
        config = replace(config, model=replace(config.model, checkpoint=model, config=None))
    return config


def _checked(value: object, reference: str) -> TrainConfig:
    if not isinstance(value, TrainConfig):
        raise ConfigError(f"{reference} holds no value CONFIG of the type TrainConfig")
    return value
