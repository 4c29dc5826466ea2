"""Java programs' jars, fetched once by Maven, each set as a `pom.xml` names it."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def missing() -> str:
    """What is not there to fetch and run jars with, empty when all is."""
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"no {' and no '.join(absent)} on this machine" if absent else ""


def fetch(pom: Path, cache: Path) -> bool:
    """Bring what a pom names to `cache`/lib, unless it is there; whether it had to be. To be called `alone`."""
    library, done = cache / "lib", cache / "lib.done"
    if done.exists() and done.read_text() == pom.read_text():
        return False
    shutil.rmtree(library, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={library}", "-DincludeScope=runtime"]
    subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *goal], check=True, timeout=600)
    done.write_text(pom.read_text())
    return True


def class_path(cache: Path) -> str:
    """The jars that were fetched, in an order that is always the same."""
    return ":".join(str(jar) for jar in sorted((cache / "lib").glob("*.jar")))


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Test processes run side by side and share a cache. Not to be nested: a process would wait for itself."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
