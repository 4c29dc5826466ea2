"""What a benchmark found: tables and checks against targets, as JSON, on the terminal and in Markdown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from tempfile import mkdtemp

from .machine import Machine, describe

RESULTS = Path(__file__).parent / "results"
WIDTH = 150
"""Characters a line where the output goes into a file."""


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column says what, the others hold numbers with units in the header."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Check:
    """A number beside its target."""

    what: str
    value: float
    unit: str
    target: float
    at_least: bool = False
    """True: the value must reach the target; False: it must stay below."""
    comparable: bool = True
    """False where the benchmark ran smaller than the target says, so that reaching it proves nothing."""
    spread: float = 0.0
    """Half the range of the middle half of the measurements, where there are several: noise in the same unit."""

    @property
    def verdict(self) -> str:
        """met or MISSED, in brackets where the measurement cannot tell."""
        met = self.value >= self.target if self.at_least else self.value <= self.target
        word = "met" if met else "MISSED"
        if not self.comparable:
            return f"({word}, at a smaller size)"
        if self.spread > self.target:
            return f"({word}, but the noise is ±{number(self.spread)} {self.unit})"
        return word


@dataclass
class Report:
    """All that one benchmark has to say."""

    name: str
    machine: Machine = field(default_factory=describe)
    tables: list[Table] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, object] = field(default_factory=dict)
    """Numbers for scripts, as JSON takes them."""

    def all_tables(self) -> list[Table]:
        """The tables, and the checks as one more."""
        if not self.checks:
            return self.tables
        rows = [
            (
                c.what,
                f"{number(c.value)} {c.unit}",
                f"{'≥' if c.at_least else '≤'} {number(c.target)} {c.unit}",
                c.verdict,
            )
            for c in self.checks
        ]
        return [*self.tables, Table("Targets", ("", "measured", "target", ""), rows)]


def number(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}" if abs(value) >= 0.001 else f"{value:.1g}"


def half_range(values: Sequence[float]) -> float:
    """Half the distance between the quartiles; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    low, _, high = quantiles(values, n=4)
    return (high - low) / 2


def options(description: str) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory for the JSON")
    parser.add_argument("--markdown", type=Path, help="also put the tables between this benchmark's marks in this file")
    parser.add_argument("--scratch", type=Path, help="directory for logs and stores (default: a temporary one)")
    return parser


def scratch_directory(given: Path | None) -> Path:
    """A fresh directory for one benchmark; the caller removes it."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
    return Path(mkdtemp(prefix="runstream-bench-", dir=given))


def publish(report: Report, results: Path, markdown: Path | None) -> None:
    """Print the tables, write the JSON, and fill the Markdown file if there is one."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(f"[bold]{report.name}[/]  {escape(report.machine.line)}")
    for table in report.all_tables():
        drawn = RichTable(title=escape(table.title), title_justify="left")
        for column in table.columns:
            first = column == table.columns[0]
            drawn.add_column(escape(column), justify="left" if first else "right", no_wrap=first)
        for row in table.rows:
            drawn.add_row(*map(escape, row))
        console.print(drawn)
    for note in report.notes:
        console.print(escape(note))
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{report.name}.json"
    path.write_text(json.dumps(asdict(report), indent=2, default=str) + "\n")
    console.print(escape(f"written: {path}"))
    if markdown is not None:
        markdown.write_text(fill(markdown.read_text(), report))


def fill(text: str, report: Report) -> str:
    """The text with the part between the report's marks replaced. Raises ValueError when the marks are missing."""
    begin, end = f"<!-- begin {report.name} -->", f"<!-- end {report.name} -->"
    head, mark, rest = text.partition(begin)
    _, end_mark, tail = rest.partition(end)
    if not mark or not end_mark:
        raise ValueError(f"no place for {report.name}: the marks {begin} and {end} are missing")
    return f"{head}{begin}\n{as_markdown(report)}\n{end}{tail}"


def as_markdown(report: Report) -> str:
    """The tables and notes, with the machine above them."""
    parts = [f"*{report.machine.line}*"]
    for table in report.all_tables():
        lines = [
            "| " + " | ".join(table.columns) + " |",
            "|---|" + "---:|" * (len(table.columns) - 1),
            *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows),
        ]
        parts += [f"**{table.title}**", "\n".join(lines)]
    return "\n\n".join([*parts, *report.notes])
