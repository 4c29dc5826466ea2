"""Rules that Grafana does not check and that break a page without a word."""

import itertools
import re
from typing import Any

import pytest
from pages import PAGES, Query, panels, queries, variables

from runstream_dashboards.build import DIRECTORY, OURS
from runstream_dashboards.every import files

KNOWN_PANELS = {
    "barchart", "heatmap", "histogram", "state-timeline", "stat", "table", "text", "timeseries", "trend", "xychart",
}  # fmt: skip
SAFE_FORMATS = {"percentencode", "queryparam"}
"""What may stand in SQL: nothing in it can end a literal."""

PUBLIC = {
    *("runs", "params", "tags", "points", "metric_summary", "metric_summary_by_rank", "artifacts", "models"),
    *("names", "metrics", "losses", "attempts", "environment", "ledger", "diagnosis", "rank_progress"),
    *("chart", "chart_band", "chart_by_rank", "chart_lines", "chart_ranks"),
}
"""The views of docs/sql.md."""

every_page = pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page["title"])
every_query = pytest.mark.parametrize("query", queries(), ids=str)


def test_the_committed_files_are_what_the_code_gives() -> None:
    ours = [path for pattern in OURS for path in DIRECTORY.glob(pattern)]
    committed = {str(path.relative_to(DIRECTORY)): path.read_text() for path in ours}
    assert committed == files(), "run `runstream dashboards build` and commit what it writes"


def test_uids_and_titles_are_unique() -> None:
    # Of two dashboards with one title in a folder, Grafana saves neither, nor anything else.
    for key in ("uid", "title"):
        found = [page[key] for page in PAGES.values()]
        assert len(set(found)) == len(found)
    assert all(name == f"{page['uid']}.json" and len(page["uid"]) <= 40 for name, page in PAGES.items())


@every_page
def test_a_page_says_which_question_it_answers_and_leads_to_the_others(page: dict[str, Any]) -> None:
    assert "?" in page["description"]
    (others,) = page["links"]
    assert not others["placement"], "it is at the top"
    assert (others["tags"], others["includeVars"], others["keepTime"]) == (page["tags"], True, True)


@every_page
def test_every_panel_can_be_read_without_help(page: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in page["panels"]] + [panel["id"] for panel in panels(page)]
    assert len(set(ids)) == len({*ids})
    for panel in panels(page):
        assert panel["type"] in KNOWN_PANELS, panel["title"]
        assert panel["description"] and panel["pluginVersion"], panel["title"]
        assert panel["title"] or panel["type"] == "text"
        if panel["type"] not in ("text", "trend"):
            assert panel["fieldConfig"]["defaults"]["noValue"], f"{panel['title']} says nothing when it is empty"
        if panel["type"] in ("trend", "timeseries", "stat", "barchart"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@every_page
def test_ids_are_unique_and_panels_do_not_overlap(page: dict[str, Any]) -> None:
    top = page["panels"]
    ids = [panel["id"] for panel in top] + [inner["id"] for panel in top for inner in panel.get("panels") or []]
    assert len(set(ids)) == len(ids)
    for panel in panels(page):
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in itertools.combinations([panel["gridPos"] for panel in top], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


@every_page
def test_every_query_names_its_data_source_and_its_format(page: dict[str, Any]) -> None:
    for panel in panels(page):
        targets = panel.get("targets") or []
        assert targets or panel["type"] == "text"
        assert len({target["refId"] for target in targets}) == len(targets)
        for target in targets:
            assert target["datasource"]["uid"] in ("${datasource}", "${prometheus}")
            if "rawSql" in target:
                assert target["format"] in (0, 1) and target["editorType"] == "sql"
        if panel["type"] in ("trend", "heatmap"):
            assert len(targets) == 1, "one frame"


@every_page
def test_the_x_of_a_step_chart_is_ruled_by_its_own_override(page: dict[str, Any]) -> None:
    # Else units, limits and logarithms of the values rule it too, and the browser hangs.
    for panel in panels(page):
        if panel["type"] == "trend":
            x = panel["options"]["xField"]
            (own,) = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] == x]
            given = {prop["id"]: prop.get("value") for prop in own["properties"]}
            assert given["custom.scaleDistribution"] == {"type": "linear"}
            assert given["unit"] == "none" and {"min", "max", "displayName"} <= set(given)


@every_query
def test_variables_in_sql_are_there_and_cannot_end_a_literal(query: Query) -> None:
    page = next(page for page in PAGES.values() if page["title"] == query.page)
    names = {variable["name"] for variable in variables(page)}
    for name, form in re.findall(r"\$\{(\w+)(?::(\w+))?\}", query.sql):
        assert name in names
        assert form in SAFE_FORMATS, f"${{{name}:{form}}}"
        assert f"'${{{name}:{form}}}'" in query.sql, "it stands in quotes"
    for name in re.findall(r"\$(?!__)([a-z]\w*)", query.sql):
        assert name in names
        assert re.search(rf", \${name}\)", query.sql), f"${name} may only stand in $__conditionalAll"


@every_query
def test_panels_ask_only_public_views(query: Query) -> None:
    read = set(re.findall(r"(?<!ARRAY )\b(?:FROM|JOIN)\s+([a-z_.]+)", query.sql))
    assert read <= PUBLIC
