"""Rows of the loader: one core, rows in the page cache."""

import loader_corpus
from measured import Bench, spread

MEGATOKENS = loader_corpus.NUM_ROWS * loader_corpus.ROW_LENGTH / 1e6
PEERS = (("mosaicml-streaming", 5), ("litdata", 1))


def loader(bench: Bench) -> None:
    """Reading at random and in order, beside a memmap and the peers; how large a state is; a large manifest."""
    folder = bench.work / "loader"
    folder.mkdir()
    loader_corpus.write(folder)
    core = bench.cores[-1]

    found, _ = bench.worker("loader_here.py", "random", folder, "--core", core, "--repeat", 3 * bench.repeat)
    speeds = {name: MEGATOKENS / min(seconds) for name, seconds in found.items()}
    bench.details["random rows"] = {name: spread(seconds) for name, seconds in found.items()}
    name = "random rows into int64 tensors of 32, one core"
    bench.bound(name, speeds["ours"], "Mtok/s", least=900)
    fastest = max(speed for name, speed in speeds.items() if name != "ours")
    bench.compare(name, speeds["ours"], "NumPy memmap", fastest, 1, unit="Mtok/s")

    first, _ = bench.worker("loader_here.py", "shuffled", folder, "--core", core, "--repeat", 2 * bench.repeat)
    others = {
        peer: bench.worker("loader_peers.py", peer, folder, "--core", core, "--repeat", bench.repeat, peer="loaders")[0]
        for peer, _ in PEERS
    }
    again, _ = bench.worker("loader_here.py", "shuffled", folder, "--core", core, "--repeat", 2 * bench.repeat)
    seconds = {name: first[name] + again[name] for name in first}
    bench.details["shuffled batches"] = {name: spread(values) for name, values in seconds.items()} | {
        peer: spread(other["cpu_s"]) for peer, other in others.items()
    }
    name = "shuffled batches with quotas and document masks, one core"
    bench.bound(name, MEGATOKENS / min(seconds["masks"]), "Mtok/s", least=100)
    for peer, least in PEERS:
        theirs = others[peer]["num_rows"] * loader_corpus.ROW_LENGTH / 1e6 / min(others[peer]["cpu_s"])
        bench.compare(name, MEGATOKENS / min(seconds["masks"]), peer, theirs, least, unit="Mtok/s")
    bench.bound(
        "the same with position ids and shifted labels, one core", MEGATOKENS / min(seconds["everything"]), "Mtok/s"
    )
    _small(bench, folder, core)


def _small(bench: Bench, folder: object, core: int) -> None:
    found, _ = bench.worker("loader_here.py", "small", folder, "--core", core, "--repeat", bench.repeat)
    bench.details["loader's state"] = {name: value for name, value in found.items() if name.startswith("state")}
    bench.details["manifest of 100,000 shards"] = spread(found["manifest_s"])
    bench.bound("state of the loader, 7 domains", found["state_7"]["without_changes"], "bytes", most=1000)
    bench.bound("state of the loader, 10,000 domains", found["state_10000"]["without_changes"], "bytes")
    bench.bound("manifest of 100,000 shards read", min(found["manifest_s"]), "s", most=2)
