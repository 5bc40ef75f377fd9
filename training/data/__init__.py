"""Shards to batches: a loader whose order is a pure function, and which goes on exactly where it stopped."""

from training.data.batches import Batch, Content
from training.data.errors import DataError, ExhaustedError, ManifestError, ShardError, StateError, WeightsError
from training.data.loader import Loader
from training.data.manifest import Manifest, read_manifest
from training.data.order import Order, OrderSettings, Samples

__all__ = [
    "Batch",
    "Content",
    "DataError",
    "ExhaustedError",
    "Loader",
    "Manifest",
    "ManifestError",
    "Order",
    "OrderSettings",
    "Samples",
    "ShardError",
    "StateError",
    "WeightsError",
    "read_manifest",
]
