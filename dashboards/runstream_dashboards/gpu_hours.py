"""What runs cost: a subquery that several pages join."""

from __future__ import annotations


def gpu_hours(where: str = "1") -> str:
    """Rows of run_id and gpu_hours over the attempts that meet a condition; one that runs counts up to now."""
    return f"""
        SELECT
            run_id,
            sum(dateDiff('second', started, ifNull(ended, if(state = 'running', now64(), started)))) / 3600 AS gpu_hours
        FROM attempts WHERE {where} AND startsWith(device, 'cuda') GROUP BY run_id"""
