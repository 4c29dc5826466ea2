"""`python -m http_front --port 8123 --dir DIR`: says where it listens once it does, and serves until it is killed."""

import argparse
import signal
import sys
from pathlib import Path

from http_front.engine import Engine
from http_front.server import Front, context

parser = argparse.ArgumentParser(prog="http_front")
parser.add_argument("--port", type=int, default=0, help="0: any free one")
parser.add_argument("--dir", type=Path, required=True, help="of the embedded store")
parser.add_argument("--user", help="only this user, with --password, may enter")
parser.add_argument("--password", default="")
parser.add_argument("--cert", help="PEM file: serve HTTPS; --key is its key")
parser.add_argument("--key")
given = parser.parse_args()

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
front = Front(
    ("127.0.0.1", given.port),
    Engine(given.dir),
    account=(given.user, given.password) if given.user else None,
    tls=context(given.cert, given.key) if given.cert else None,
)
print(f"listening {front.url}", flush=True)
front.serve_forever()
