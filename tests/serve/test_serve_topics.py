"""With a broker: the same program reads topics into the store that it serves."""

import subprocess
import sys
import time
from pathlib import Path

from serving import command, environment, serving

from broker.reachable import Reachable

TRAIN = """
import runstream
with runstream.init(experiment="e", name="from a topic") as run:
    for step in range(100):
        run.log({"train/loss": float(step)}, step=step)
"""


def test_what_arrives_at_topics_is_served(broker: Reachable, prefix: str, tmp_path: Path) -> None:
    url = f"kafka://{broker.bootstrap}"
    variables = {"RUNSTREAM_URL": url, "RUNSTREAM_TOPIC_PREFIX": prefix}
    topics = [sys.executable, "-c", "from runstream_analytics.cli.app import main; main()", "topics", "create"]
    subprocess.run([*topics, "--partitions", "2"], cwd=tmp_path, env=environment(**variables), check=True)
    with serving(tmp_path, **variables) as served:
        subprocess.run([sys.executable, "-c", TRAIN], cwd=tmp_path, env=environment(**variables), check=True)
        until = time.monotonic() + 60
        while (seen := served.text("SELECT count() FROM points WHERE metric = 'train/loss'")) != "100\n":
            assert time.monotonic() < until, f"only {seen} points came, and it said {served.said}"
            time.sleep(0.05)
        # Nothing waits for what a broker may still hold.
        assert served.get("/runstream/fresh").status == 200
        listed = command(tmp_path, "ls", "--url", url)
        assert listed.returncode == 0, listed.stderr
        assert "from a topic" in listed.stdout
        assert served.stop() == 0
