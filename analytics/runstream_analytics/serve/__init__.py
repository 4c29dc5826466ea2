"""`runstream serve`: ClickHouse's HTTP protocol, read-only, over the embedded store that this process loads.

A request passes the `door` and is read (`request`), understood and judged (`tokens`, `names`, `guard`, `allowed`), run
(`engine`, `run`) and answered (`answer`, `wire`, `sending`). `app` ties these together, `server` listens, `loading`
keeps the store fresh and `freshness` tells when it is.
"""
