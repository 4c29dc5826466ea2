"""Addresses of the dashboards, with the selection that they carry along."""

from __future__ import annotations

from typing import Final

_CARRIED: Final = "${experiment:queryparam}&${metric:queryparam}&${__url_time_range}"

RUN_LINK: Final = "/d/runstream-run?var-run=${__data.fields.run_id}&${experiment:queryparam}"
"""From a table with a column run_id to that run."""
COMPARE_LINK: Final = f"/d/runstream-compare?${{run:queryparam}}&var-run=${{__data.fields.run_id}}&{_CARRIED}"
"""The same run added to those that are compared already."""
HEALTH_LINK: Final = "/d/runstream-health?var-run=${__data.fields.run_id}&${experiment:queryparam}&${__url_time_range}"
"""The same run on the page of its losses."""
LINE_LINK: Final = "/d/runstream-run?var-run=${__field.labels.run_id}"
"""From a line with a label run_id to its run."""
