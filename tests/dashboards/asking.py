"""Asks what a page asks, with what is chosen on it."""

from typing import Any, Protocol

from engine import Answer
from expander import ALL, Selection, Value, expand
from pages import PAGES, Query, queries, variables


class Engine(Protocol):
    """A store that can be asked, and what it said to the queries of variables."""

    known: dict[str, list[str]]

    def ask(self, sql: str) -> Answer: ...


def selection(page: dict[str, Any], engine: Engine, **chosen: Value) -> Selection:
    """What a page shows when it is opened, with some variables as a link brings them."""
    found = Selection({"run": ""})
    for variable in variables(page):
        name, kind = variable["name"], variable["type"]
        if kind == "datasource":
            continue
        if kind == "query":
            found.values.setdefault(name, "")
            sql = expand(variable["query"]["rawSql"], found)
            if sql not in engine.known:
                engine.known[sql] = [str(row[0]) for row in engine.ask(sql).rows]
            options = found.options[name] = engine.known[sql]
            first: Value = ALL if variable.get("includeAll") else (options or [""])[0]
            found.values[name] = [first] if variable.get("multi") else first  # type: ignore[list-item]
        else:
            found.values[name] = variable["query"] if kind == "textbox" else variable["current"]["value"]
        if name in chosen:
            found.values[name] = chosen[name]
    return found


def some_runs(engine: Engine, count: int) -> list[str]:
    return [row[0] for row in engine.ask(f"SELECT toString(run_id) FROM runs ORDER BY name LIMIT {count}").rows]


def run_named(engine: Engine, name: str) -> str:
    ((run,),) = engine.ask(f"SELECT toString(run_id) FROM runs WHERE name = '{name}'").rows
    return str(run)


def asked(query: Query, engine: Engine, **chosen: Value) -> Answer:
    return engine.ask(sent(query, engine, **chosen))


def sent(query: Query, engine: Engine, **chosen: Value) -> str:
    """The statement as Grafana would send it; what the page does not know of `chosen` is left out."""
    page = next(page for page in PAGES.values() if page["title"] == query.page)
    found = selection(page, engine, **{name: value for name, value in chosen.items() if name in names_of(page)})
    repeat = query.panel and query.panel.get("repeat")
    if repeat:
        # Each panel of a repeat sees one of the values.
        found = found.but(**{repeat: (found.chosen(repeat) or [""])[0]})
    return expand(query.sql, found)


def names_of(page: dict[str, Any]) -> set[str]:
    return {variable["name"] for variable in variables(page)}


def multi(page_title: str, name: str) -> bool:
    page = next(page for page in PAGES.values() if page["title"] == page_title)
    return any(variable.get("multi") for variable in variables(page) if variable["name"] == name)


def query_of(page: str, where: str) -> Query:
    """The statement of a page's panel by the beginning of its title, or of its variable by `variable <name>`."""
    (found,) = [query for query in queries() if query.page == page and query.where.startswith(where)]
    return found


def pointed_at(query: Query, run: str, metric: str) -> dict[str, Value]:
    """One run and one metric, chosen as the page of the query wants them."""
    return {
        "run": [run] if multi(query.page, "run") else run,
        "metric": [metric] if multi(query.page, "metric") else metric,
    }


def uses(query: Query, *names: str) -> bool:
    """Whether a statement changes with one of these variables."""
    return any(f"{{{name}:" in query.sql for name in names)
