"""The store's tables and views as numbered migrations, read from `tables/*.sql`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Migration:
    """One file of statements. Every statement is idempotent, so a half-applied migration is simply applied again."""

    number: int
    """The leading digits of the file name; migrations are applied in this order."""
    name: str
    """The rest of the file name, such as `point`."""
    statements: tuple[str, ...]
    """Single statements without the final semicolon. Unqualified names: they apply to the current database."""


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations in ascending order of their numbers."""
    entries = (files(__package__) / "tables").iterdir()
    return tuple(
        sorted((_migration(e.name, e.read_text()) for e in entries if e.name.endswith(".sql")), key=lambda m: m.number)
    )


def split_statements(sql: str) -> tuple[str, ...]:
    """Split at semicolons that end a line; a line that begins with two hyphens is a comment and ends nothing."""
    statements: list[str] = []
    lines: list[str] = []
    for line in sql.splitlines():
        lines.append(line)
        if line.rstrip().endswith(";") and not line.lstrip().startswith("--"):
            statements.append("\n".join(lines).strip().removesuffix(";"))
            lines = []
    if any(line.strip() and not line.lstrip().startswith("--") for line in lines):
        raise ValueError("the last statement does not end with a semicolon")
    return tuple(statements)


def _migration(file_name: str, sql: str) -> Migration:
    number, _, name = file_name.removesuffix(".sql").partition("_")
    return Migration(int(number), name, split_statements(sql))
