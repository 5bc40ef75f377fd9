"""Engines that cannot be had say what they need; Ctrl-C leaves no pages of traceback."""

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from curation.errors import EngineError
from curation.session import EngineConfig, _interrupts_without_pages, _stop, open_session


def refused(config: EngineConfig) -> str:
    """Open an engine that cannot start, in a process of its own, and give the error's message."""
    code = (
        "from curation.session import *\nfrom curation.errors import EngineError\n"
        f"try:\n    open_session({config!r}).__enter__()\nexcept EngineError as error:\n    print(error)"
    )
    empty = str(Path(sys.executable).parent)  # no Java on this path
    left_out = ("JAVA_HOME", "PATH", "SPARK_")  # the last ones may be of a test in this process before
    environment = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment | {"PATH": empty}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_spark_without_java_says_so() -> None:
    said = refused(EngineConfig(engine="spark", master="local[1]"))
    assert "Java 17" in said
    assert "--engine sail" in said


def test_a_server_that_does_not_answer_is_named() -> None:
    assert "sc://127.0.0.1:9" in refused(
        EngineConfig(engine="spark", master="sc://127.0.0.1:9/;user_id=x", conf={"spark.x": "y"})
    )


def test_a_session_goes_on_when_another_was_closed() -> None:
    with open_session(EngineConfig()) as outer:
        for _ in range(2):
            with open_session(EngineConfig()) as inner:
                assert inner.spark.range(3).select(F.sum("id")).first()[0] == 3
            assert outer.spark.range(4).select(F.sum("id")).first()[0] == 6


def test_jars_that_are_not_there_are_named(tmp_path: Path) -> None:
    missing = EngineConfig(engine="spark", delta_jars=(str(tmp_path / "none"),))
    assert "no such file or folder" in refused(missing)
    assert "no .jar file" in refused(EngineConfig(engine="spark", delta_jars=(str(tmp_path),)))


@pytest.mark.parametrize("fields", [{"engine": "duck"}, {"master": "local[2]"}, {"delta_jars": ("x",)}])
def test_settings_that_contradict_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(EngineError):
        EngineConfig(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "py4j.clientserver", "py4j.java_gateway"])
def test_an_interrupted_call_is_not_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """py4j logs the interrupted call, and what then fails while it closes the connection; other failures are shown."""
    logger = logging.getLogger(name or None)

    def call(first: BaseException, second: BaseException) -> None:
        second.__context__ = first
        logger.error("while closing", exc_info=second)

    with _interrupts_without_pages():
        call(KeyboardInterrupt(), BrokenPipeError())
        call(BrokenPipeError(), KeyboardInterrupt())
        assert not caplog.records
        call(ValueError(), BrokenPipeError())
        assert [entry.message for entry in caplog.records] == ["while closing"]
    caplog.clear()
    call(KeyboardInterrupt(), BrokenPipeError())
    assert len(caplog.records) == 1


def test_a_jvm_that_an_interrupt_took_first_is_no_news(recwarn: pytest.WarningsRecorder) -> None:
    """What is stopped has Ctrl-C too; of a JVM that was lost otherwise PySpark's warning is shown."""

    class Gone:
        def stop(self) -> None:
            warnings.warn("Unable to cleanly shutdown Spark JVM process.", RuntimeWarning, stacklevel=1)

    caused = ValueError()
    caused.__context__ = KeyboardInterrupt()
    for error in (KeyboardInterrupt(), caused):
        _stop(Gone(), error)  # type: ignore[arg-type]
    assert not recwarn.list
    for error in (None, ValueError()):
        _stop(Gone(), error)  # type: ignore[arg-type]
    assert len(recwarn.list) == 2
