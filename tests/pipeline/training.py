"""A training process: `training.py DIARY CALLS_PER_S FIRST_STEP FINISH_S` logs until SIGUSR1, then says how it went.

Prints a line when it has begun, and at the end an object: whether all is delivered, and the longest `log` and `finish`.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from witness import Diary, row

import runstream

stopped = []
signal.signal(signal.SIGUSR1, lambda *_: stopped.append(True))
diary_path, calls_per_s, first, finish_s = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
rank = int(os.environ["RANK"])

run = runstream.init("pipeline", config={"lr": 0.1, "rank": rank}, tags={"team": "vision"}, start_step=first)
diary = Diary(diary_path, run.attempt, first)
print("begun", flush=True)

step, longest_s, began = first, 0.0, time.perf_counter()
while not stopped:
    values = row(rank, step)
    diary.begin(step)
    before = time.perf_counter()
    run.log(values, step)
    after = time.perf_counter()
    diary.end(step)
    longest_s = max(longest_s, after - before)
    step += 1
    time.sleep(max((step - first) / calls_per_s - (after - began), 0))
before = time.perf_counter()
delivered = run.finish(finish_s)
finish_took_s = time.perf_counter() - before
print(json.dumps({"delivered": delivered, "longest_log_s": longest_s, "finish_s": finish_took_s}), flush=True)
