"""A dashboard: what all of them have, and where its panels stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
    Panel,
    RowPanel,
    VariableModel,
)

from runstream_dashboards.look import GRAFANA_VERSION

TAG: Final = "runstream"
WIDTH: Final = 24
"""Columns of Grafana's grid."""

Row = tuple[int, Sequence[tuple[int, Builder[Panel]]]]
"""Height, and panels with their widths, from left to right."""


@dataclass(frozen=True)
class Folded:
    """Rows below a heading that opens them: nothing is asked before."""

    title: str
    rows: Sequence[Row]


def page(
    uid: str,
    title: str,
    question: str,
    variables: Sequence[Builder[VariableModel]],
    rows: Sequence[Row | Folded | str],
    *,
    time: tuple[str, str] = ("now-30d", "now"),
    refresh: str = "",
) -> Dashboard:
    """A dashboard of rows of panels; a text among the rows is a heading."""
    made = dashboard.Dashboard(title).uid(uid).description(question).tags([TAG]).time(*time).timezone("browser")
    made = made.readonly().tooltip(DashboardCursorSync.CROSSHAIR).refresh(refresh)
    others = dashboard.DashboardLink("runstream").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    made = made.link(others.as_dropdown(True).include_vars(True).keep_time(True))
    for variable in variables:
        made = made.with_variable(variable)
    found = made.build()
    for link in found.links or []:
        link.placement = ""  # at the top: the SDK's own place for links is a menu of newer versions
    found.panels = _placed(rows)
    return found


def _placed(rows: Sequence[Row | Folded | str]) -> list[Panel | RowPanel]:
    panels: list[Panel | RowPanel] = []
    ids = itertools.count(1)
    y = 0
    for row in rows:
        if isinstance(row, str | Folded):
            heading = dashboard.Row(row if isinstance(row, str) else row.title).build()
            heading.id_val, heading.grid_pos = next(ids), GridPos(h=1, w=WIDTH, x=0, y=y)
            panels.append(heading)
            y += 1
        if isinstance(row, Folded):
            heading.collapsed = True
            heading.panels = []
            for inner in row.rows:
                heading.panels += _side_by_side(inner, y, ids)
                y += inner[0]
        elif not isinstance(row, str):
            panels += _side_by_side(row, y, ids)
            y += row[0]
    return panels


def _side_by_side(row: Row, y: int, ids: Iterator[int]) -> list[Panel]:
    height, members = row
    placed = []
    x = 0
    for width, builder in members:
        panel = builder.build()
        panel.id_val, panel.grid_pos = next(ids), GridPos(h=height, w=width, x=x, y=y)
        panel.plugin_version = GRAFANA_VERSION
        placed.append(panel)
        x += width
    return placed
