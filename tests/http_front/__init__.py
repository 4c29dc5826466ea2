"""A small HTTP front over chDB that speaks enough of ClickHouse's protocol for clickhouse-connect; for tests only.

A request is read (`body`, `request`), run (`engine`) and answered (`answer`); `faults` spoils INSERTs as a test wants,
and `server` ties them together. `python -m http_front` starts it, `control` is what a test holds in its hand.
"""
