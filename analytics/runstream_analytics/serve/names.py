"""Names of the engine that a statement may use, and those that it may not."""

from __future__ import annotations

from typing import Final

SHOWS: Final = frozenset(
    [
        "TABLES",
        "FULL",
        "DATABASES",
        "COLUMNS",
        "EXTENDED",
        "CREATE",
        "SETTINGS",
        "SETTING",
        "FUNCTIONS",
        "ENGINES",
        "INDEX",
        "INDEXES",
        "KEYS",
    ]
)
"""What may be shown: not what others ask at the moment, nor who may do what."""

SHOWN_CREATE: Final = frozenset(("TABLE", "VIEW", "DATABASE"))

TABLE_FUNCTIONS: Final = frozenset(
    (
        *("format", "generaterandom", "generateseries", "generate_series", "null", "numbers", "numbers_mt", "primes"),
        *("values", "view", "zeros", "zeros_mt"),
    )
)
"""Table functions that touch neither files nor network nor tables whose names they are told as text."""

FORBIDDEN_FUNCTIONS: Final = frozenset(["file", "joinget", "joingetornull", "hascolumnintable"])
"""Functions that open what a text names; those whose names begin with AI ask other machines."""

SYSTEM_TABLES: Final = frozenset(
    [
        "aggregate_function_combinators",
        "build_options",
        "clusters",
        "codecs",
        "collations",
        "columns",
        "constraints",
        "contributors",
        "current_roles",
        "data_skipping_indices",
        "data_type_families",
        "database_engines",
        "databases",
        "dictionaries",
        "documentation",
        "enabled_roles",
        "events",
        "formats",
        "functions",
        "keywords",
        "licenses",
        "merge_tree_settings",
        "merges",
        "metrics",
        "numbers",
        "numbers_mt",
        "one",
        "parts",
        "parts_columns",
        "primes",
        "projections",
        "quota_limits",
        "roles",
        "settings",
        "statements",
        "table_engines",
        "table_functions",
        "tables",
        "time_zones",
        "unicode",
        "view_refreshes",
        "zeros",
        "zeros_mt",
    ]
)
"""Tables that describe the engine and the store; others would tell what other clients ask, or of the machine."""

FORMATS_WITH_FILES: Final = frozenset(["template", "protobuf", "protobufsingle", "protobuflist", "capnproto"])
"""Formats that read their schema from a file."""
