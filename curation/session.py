"""The engines: Sail inside this process, or Apache Spark wherever it runs."""

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from urllib.parse import urlsplit

from grpc import RpcError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from curation.code_archive import pack_code
from curation.errors import EngineError

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
"""Maven coordinates of the Delta Lake jars that belong to the pinned Spark."""

_DELTA_CONF = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}

_LOCAL_CONF = {
    "spark.driver.memory": "3g",
    "spark.sql.shuffle.partitions": "8",
    # A run has more than the 100 pieces of generated code that Spark keeps, and would compile them all over again.
    "spark.sql.codegen.cache.maxEntries": "3000",
    "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "winnow-spark-warehouse"),
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

_ALWAYS_CONF = {
    # Documents differ in size by a factor of 1e5: batches are bounded by bytes as well as by rows.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "4096",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(32 << 20),
    "spark.sql.session.timeZone": "UTC",
    # Delta replays its log with 50 tasks unless told otherwise, which takes longer than most commits here.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Every commit carries Winnow's record, also one that finds no row where there was none before.
    "spark.databricks.delta.skipRecordingEmptyCommits": "false",
}

_ARCHIVES = "spark.archives"

Engine = Literal["sail", "spark"]

ENGINE_FAILURES = (PySparkException, Py4JError, RpcError)
"""What the engines' clients raise when a job fails."""

_START_FAILURES = (*ENGINE_FAILURES, RuntimeError, OSError)

_PY4J_LOGGERS = ("", "py4j.clientserver", "py4j.java_gateway")
"""A logger's filter sees what is logged to it, not to those below it."""


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Which engine runs the jobs, and where.

    Attributes:
        engine: `sail` runs inside this process and needs no Java; `spark` is Apache Spark.
        master: for `spark`: `local[*]`, the URL of a cluster, or `sc://host:port` of a Spark Connect server. None
            takes the session that spark-submit or a notebook gives, else `local[*]`.
        delta_jars: jars of Delta Lake, or folders that hold them, for machines that reach no Maven repository.
        conf: further Spark settings; they win over Winnow's own.
    """

    engine: Engine = "sail"
    master: str | None = None
    delta_jars: tuple[str, ...] = ()
    conf: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.engine not in ("sail", "spark"):
            raise EngineError(f"unknown engine {self.engine!r}: expected sail or spark")
        if self.engine == "sail" and (self.master or self.delta_jars):
            raise EngineError("--master and --delta-jars belong to Apache Spark: add --engine spark, or leave them out")


@dataclass(frozen=True)
class Session:
    """A running engine.

    Attributes:
        spark: the session that DataFrames are made with.
        engine: `sail` or `spark`.
        shares_process: whether Python functions of a job run inside this process.
        is_remote: whether paths are those of another machine (a `sc://` server).
        description: one line for people and for the record of a commit.
        log: the file that takes the engine's own log, if it writes one here.
    """

    spark: SparkSession
    engine: Engine
    shares_process: bool
    is_remote: bool
    description: str
    log: Path | None = None


def in_spark_submit() -> bool:
    """Whether this process was started by spark-submit, which has started Spark already."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


@contextmanager
def open_session(config: EngineConfig) -> Iterator[Session]:
    """A running engine for the length of a `with` block.

    Raises:
        EngineError: the engine cannot be started or reached; the message says what it needs.
    """
    if config.engine == "sail":
        yield from _sail()
    elif _given_session() or in_spark_submit():
        yield _given(config)  # whoever started this session also ends it
    elif config.master and config.master.startswith("sc://"):
        yield from _connect(config)
    else:
        yield from _spark(config)


def _sail() -> Iterator[Session]:
    os.environ.setdefault("RUST_LOG", "error")
    before = dict(os.environ)
    import pysail
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://{host}:{port}").create()
    _keep_interrupts(spark)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        yield Session(spark, "sail", True, False, f"sail {pysail.__version__}, inside this process")
    finally:
        spark.stop()
        server.stop()
        _leave_connect_mode(before)


def _keep_interrupts(spark: SparkSession) -> None:
    """Make Ctrl-C a KeyboardInterrupt and nothing else.

    Sail puts a handler of its own in the place of Python's, by which the server goes down at once; the client, which
    wants to cancel its work and to say good-bye, then tries for ten minutes to reach it.
    """
    from pyspark.sql.connect.client.retries import DefaultPolicy

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT) or signal.default_int_handler)
    session: Any = spark
    session.client.set_retry_policies([DefaultPolicy(max_retries=3)])  # a second: a server in this process is there


def _leave_connect_mode(before: Mapping[str, str]) -> None:
    """Undo what a Connect session leaves in the environment, so that classic Spark may start later in this process."""
    for name in ("SPARK_CONNECT_MODE_ENABLED", "SPARK_REMOTE", "SPARK_LOCAL_REMOTE"):
        os.environ.pop(name, None)
        os.environ |= {name: before[name]} if name in before else {}  # of a session that was open before, and goes on


def _connect(config: EngineConfig) -> Iterator[Session]:
    assert config.master is not None
    _check_reachable(config.master)
    before = dict(os.environ)
    try:
        spark = SparkSession.builder.remote(config.master).create()
        version = spark.version
    except _START_FAILURES as error:
        raise _no_answer(config.master, error) from error
    try:
        _check_delta(spark)
        _send(spark, config.conf.get(_ARCHIVES))
        for key, value in {**_ALWAYS_CONF, **config.conf}.items():
            if key != _ARCHIVES:
                spark.conf.set(key, value)
        yield Session(spark, "spark", False, True, f"Apache Spark {version} at {config.master}")
    finally:
        spark.stop()
        _leave_connect_mode(before)


def _send(spark: SparkSession, archives: str | None) -> None:
    """Send the server this code, and the archives as spark-submit would, such as `environment.tar.gz#environment`."""
    with TemporaryDirectory(prefix="winnow-") as folder:
        spark.addArtifact(str(pack_code(Path(folder) / "winnow.zip")), pyfile=True)
    for archive in (archives or "").split(","):
        if archive and not Path(archive.partition("#")[0]).is_file():
            raise EngineError(f"--conf {_ARCHIVES}={archives}: no such file {archive.partition('#')[0]}")
        if archive:
            spark.addArtifact(archive, archive=True)


def _check_reachable(url: str) -> None:
    """Fail at once where nothing listens: the client itself would go on trying for minutes."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 15002), timeout=10).close()
    except OSError as error:
        raise _no_answer(url, error) from error


def _no_answer(url: str, error: Exception) -> EngineError:
    return EngineError(
        f"no Spark Connect server answers at {url}: {_first_line(error)}. "
        "Start one with Spark's sbin/start-connect-server.sh and give its address as sc://host:15002."
    )


def _given_session() -> SparkSession | None:
    return SparkSession.getActiveSession()


def _given(config: EngineConfig) -> Session:
    """The session of spark-submit or of a notebook, with Delta switched on where that can still be done."""
    if config.master or config.delta_jars:
        raise EngineError(
            "this process runs in a Spark session that was started elsewhere (spark-submit or a notebook): give "
            "--master and the Delta jars (--packages " + DELTA_PACKAGE + ") to spark-submit, not to Winnow"
        )
    builder: Any = SparkSession.builder
    for key, value in {**_DELTA_CONF, **config.conf}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    _check_delta(spark)
    for key, value in _ALWAYS_CONF.items():
        if spark.conf.get(key, None) is None:  # what spark-submit was told stands
            spark.conf.set(key, value)
    return Session(spark, "spark", False, False, f"Apache Spark {spark.version}, session given")


def _spark(config: EngineConfig) -> Iterator[Session]:
    master = config.master or "local[*]"
    handle, name = tempfile.mkstemp(prefix="winnow-spark-", suffix=".log")
    os.close(handle)
    log = Path(name)
    with TemporaryDirectory(prefix="winnow-") as folder:
        conf = _conf_for(master, config, Path(folder))  # executors fetch the code from the folder while they come
        try:
            with _output_to(log):
                builder: Any = SparkSession.builder.master(master).appName("winnow")
                for key, value in {**conf, **config.conf}.items():
                    builder = builder.config(key, value)
                spark = builder.getOrCreate()
            _check_delta(spark)
        except EngineError:
            raise
        except _START_FAILURES as error:
            raise EngineError(_spark_failure(error, master, log)) from error
        with _interrupts_without_pages():
            try:
                yield Session(spark, "spark", False, False, f"Apache Spark {spark.version} on {master}", log)
            finally:
                _stop(spark, sys.exc_info()[1])


def _stop(spark: SparkSession, error: BaseException | None) -> None:
    """Stop a session; after Ctrl-C nothing is said of a JVM that had it too and was gone first."""
    with warnings.catch_warnings():
        if _is_interrupt(error):
            warnings.filterwarnings("ignore", "Unable to cleanly shutdown Spark JVM", RuntimeWarning)
        spark.stop()


def _conf_for(master: str, config: EngineConfig, folder: Path) -> dict[str, str]:
    """Winnow's settings for that master; a cluster's executors are sent this code, by way of `folder`."""
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    conf = {**_DELTA_CONF, **_ALWAYS_CONF, **_jar_conf(config)}
    if not master.startswith("local"):
        return conf | {"spark.submit.pyFiles": str(pack_code(folder / "winnow.zip"))}
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return conf | _LOCAL_CONF


@contextmanager
def _interrupts_without_pages() -> Iterator[None]:
    """Make Ctrl-C a KeyboardInterrupt and nothing else.

    PySpark's own handler asks the JVM to cancel its jobs on the connection that waits for one, which fails with pages
    of traceback; and py4j logs the interrupted call. Stopping the session cancels the jobs as well.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    loggers = [logging.getLogger(name or None) for name in _PY4J_LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_no_interrupt)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_no_interrupt)
        signal.signal(signal.SIGINT, kept or signal.default_int_handler)


def _is_no_interrupt(entry: logging.LogRecord) -> bool:
    """Whether an entry tells of something else than Ctrl-C, or than what failed while Ctrl-C was being dealt with."""
    return not _is_interrupt(entry.exc_info[1] if entry.exc_info else None)


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C, or came of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _jar_conf(config: EngineConfig) -> dict[str, str]:
    if not config.delta_jars:
        return {"spark.jars.packages": DELTA_PACKAGE}
    jars: list[str] = []
    for entry in config.delta_jars:
        path = Path(entry)
        if path.is_dir():
            jars += sorted(str(jar) for jar in path.glob("*.jar"))
        elif path.is_file() or "://" in entry:
            jars.append(entry)
        else:
            raise EngineError(f"--delta-jars {entry}: no such file or folder")
    if not jars:
        raise EngineError(f"--delta-jars {', '.join(config.delta_jars)}: no .jar file in there")
    return {"spark.jars": ",".join(jars)}


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send what child processes write to `log`: Spark's JVM inherits these files and keeps the terminal clean."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            for number, saved in zip((1, 2), kept, strict=True):
                os.dup2(saved, number)
                os.close(saved)


def _check_delta(spark: SparkSession) -> None:
    extensions = spark.conf.get("spark.sql.extensions", "") or ""
    if "DeltaSparkSessionExtension" not in extensions:
        raise EngineError(
            "this Spark session was started without Delta Lake: start it with --packages "
            f"{DELTA_PACKAGE} --conf spark.sql.extensions={_DELTA_CONF['spark.sql.extensions']} "
            f"--conf spark.sql.catalog.spark_catalog={_DELTA_CONF['spark.sql.catalog.spark_catalog']}"
        )
    if "sparkContext" in dir(spark) and not _has_delta_classes(spark):
        raise EngineError(
            "Spark runs, but the Delta Lake jars are not on its class path: start it with --packages "
            f"{DELTA_PACKAGE}, or name a folder that holds the jars with --delta-jars"
        )


def _has_delta_classes(spark: SparkSession) -> bool:
    """Whether a Delta command can be parsed, which needs the jars and no table."""
    try:
        spark.sql("DESCRIBE HISTORY delta.`/winnow/no/such/table`").schema  # noqa: B018 - analysis is the test
    except _START_FAILURES as error:
        text = str(error)
        return "PARSE_SYNTAX_ERROR" not in text and "ClassNotFound" not in text
    return True


def _spark_failure(error: Exception, master: str, log: Path) -> str:
    tail = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    text = "\n".join(tail)
    hint = f"see {log}"
    if "Java" in str(error) or "JAVA_HOME" in text or "java: not found" in text:
        hint = "Spark needs Java 17 on the path (or JAVA_HOME); the default engine, --engine sail, needs none"
    elif "unresolved dependenc" in text or "not found" in text:
        hint = (
            f"the Delta jars ({DELTA_PACKAGE}) could not be fetched; without internet, put them into a folder and "
            f"give it with --delta-jars FOLDER. Spark's log: {log}"
        )
    return f"Apache Spark did not start on {master}: {_first_line(error)}. {hint}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
