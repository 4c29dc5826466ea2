"""The broker's program: Apache Kafka's published jars, fetched once by Maven, and what makes it start quickly."""

import shutil
import subprocess
import uuid
from functools import cache
from pathlib import Path

from broker import maven

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
"""Jars, class archive and feature levels; made once, ignored by git."""


def missing() -> str:
    """Why no broker can be had here, empty when one can."""
    why = maven.missing()
    return f"{why} to run Apache Kafka with" if why else ""


@cache
def class_path() -> str:
    """The jars, in an order that is always the same: the class archive is only good for one."""
    with maven.alone(CACHE):
        if maven.fetch(HERE / "pom.xml", CACHE):
            (CACHE / "kafka.jsa").unlink(missing_ok=True)
    return maven.class_path(CACHE)


def java(*options: str) -> list[str]:
    """The command that runs a class of Kafka. `options` are for the virtual machine."""
    logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}"
    return ["java", "-XX:+UseSerialGC", *options, logging, "-cp", class_path()]


QUICK = ("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1")
"""Half the start-up time; but TLS is ten times slower without the full compiler."""
FULL = ("-Xms64m", "-Xmx512m")


def archive_options() -> list[str]:
    """Options that use the class archive (start in 1.5 s instead of 3), or have it made when this broker stops."""
    archive = CACHE / "kafka.jsa"
    if archive.exists():
        return [f"-XX:SharedArchiveFile={archive}", "-Xlog:disable", "-Xlog:all=error:stderr"]
    return []


def make_archive(properties: Path) -> None:
    """Make the class archive from one run of a broker that is stopped at once; without it all works, only slower."""
    class_path()
    with maven.alone(CACHE):
        archive = CACHE / "kafka.jsa"
        if archive.exists():
            return
        partial = archive.with_suffix(".partial")
        command = [*java(*QUICK, f"-XX:ArchiveClassesAtExit={partial}"), "kafka.Kafka", str(properties)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if "Kafka Server started" in line:
                process.terminate()
        process.wait(60)
        if partial.exists():
            partial.rename(archive)


def format_directory(directory: Path, cluster_id: str, node_id: int, properties: Path) -> None:
    """Make a node's empty data directory. What the tool made once is kept: formatting takes a second, this nothing."""
    checkpoint = CACHE / "bootstrap.checkpoint"
    class_path()
    with maven.alone(CACHE):
        if not checkpoint.exists():
            scratch = CACHE / "formatted"
            shutil.rmtree(scratch, ignore_errors=True)
            text = [f"log.dirs={scratch}" if line.startswith("log.dirs=") else line for line in _lines(properties)]
            (CACHE / "format.properties").write_text("\n".join(text))
            tool = [*java(*QUICK), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c"]
            subprocess.run([*tool, str(CACHE / "format.properties")], check=True, timeout=120, capture_output=True)
            (scratch / "bootstrap.checkpoint").rename(checkpoint)
    directory.mkdir(parents=True)
    (directory / "meta.properties").write_text(
        f"version=1\ncluster.id={cluster_id}\nnode.id={node_id}\ndirectory.id={uuid.uuid4().hex[:22]}\n"
    )
    shutil.copy(checkpoint, directory / "bootstrap.checkpoint")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
