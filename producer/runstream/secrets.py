"""Credentials are taken out of what is recorded: by the key they stand under, and by their shape. Pure.

Only text is ever redacted, never numbers, and a word such as `token` alone is no sign of a credential: `max_tokens`,
`tokenizer` and `eos_token` stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

REDACTED: Final = "[redacted]"
"""Stands where a credential stood."""

_SECRET_ENDINGS: Final = frozenset(
    {
        *("api_key", "apikey", "secret", "password", "passwd", "passphrase", "credential"),
        *("access_token", "auth_token", "hf_token", "hub_token", "refresh_token", "bearer_token"),
        *("secret_key", "private_key", "secret_access_key"),
    }
)
"""What a credential's key ends with, in snake case and singular. `hub_token` is the name in transformers."""

_KEY_HINT: Final = re.compile("[kK](?:ey|EY)|[sS](?:ecret|ECRET)|[pP](?:ass|ASS)|[cC](?:red|RED)|[tT](?:oken|OKEN)")
"""Every ending contains one of these; a quick way to say no. Without IGNORECASE, which takes thrice as long."""

_WORD_BORDER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

_SHAPES: Final = (
    # Hugging Face
    ("hf_", re.compile(r"\bhf_[A-Za-z0-9]{16,}")),
    # OpenAI, Anthropic and others; a digit, a known middle part or no dash tells a key from words joined by dashes
    (
        "sk-",
        re.compile(
            r"(?<![\w-])sk-(?:(?:proj|ant|svcacct|admin|or)-[\w-]{12,}|[A-Za-z0-9]{16,}|(?=[\w-]*\d)[\w-]{20,})"
        ),
    ),
    # Amazon access key ids, long-lived and temporary
    ("AKIA", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("ASIA", re.compile(r"\bASIA[0-9A-Z]{16}\b")),
    # GitHub
    ("gh", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{16,}")),
    ("github_pat_", re.compile(r"\bgithub_pat_\w{16,}")),
    # GitLab
    ("glpat-", re.compile(r"\bglpat-[\w-]{16,}")),
    # Slack
    ("xox", re.compile(r"\bxox[abeprs]-[\w-]{10,}")),
    # Google
    ("AIza", re.compile(r"\bAIza[\w-]{35}")),
    # JSON Web Tokens: two base64 objects, both beginning with {", and a signature
    ("eyJ", re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]*")),
    # header values
    ("earer ", re.compile(r"(?<=[Bb]earer )[\w.~+/-]{16,}=*")),
)
"""Known credentials: text that each of them contains, searched first because it is quick, and the whole shape."""

_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
"""One whose end is missing reaches to the end of the text."""

_USER_INFO: Final = re.compile(r"://([^\s/:@\"'<>]*):[^\s/\"'<>]+@")
"""The user and the password of a URL."""

_ASSIGNMENT: Final = re.compile(
    r"""
    (?<![\w.-]) ([\w.-]++) ["']?          # the key, from its first character on, perhaps in quotes
    [ \t]*+ (?: : [\w.,|\[\] \t]{0,40} = | [:=] ) [ \t]*+   # is annotated and assigned, assigned, or mapped
    (?: [rbfu]{0,2} (["']) ((?: \\. | (?!\2) [^\\\n] )*+) \2   # text in quotes
      | ([^\s"'()\[\]{},;]++) [ \t]*+ $ )                    # or one bare word up to the end of the line
    """,
    re.VERBOSE | re.MULTILINE,
)
"""An assignment as Python, JSON, YAML, TOML and shell write it. Possessive: linear time on any text."""

_HARMLESS_WORD: Final = re.compile(
    r"[-+]?[\d._]+(?:e[-+]?\d+)? | true | false | null | none | ~ | \$\{?\w+\}? | "
    r"str | bytes | any | secretstr | [a-z_]\w*(?:\.[a-z_]\w*)+",
    re.VERBOSE | re.IGNORECASE,
)
"""A bare word that is no credential: a number, a constant, a variable, a type, or an attribute of an object in code."""


def is_secret_key(key: str) -> bool:
    """Whether values under this key are credentials: its last word says so, as in `openai_api_key`, `clientSecret`."""
    if not _KEY_HINT.search(key):
        return False
    words = [word.lower() for word in _WORD_BORDER.split(key[-200:]) if word]
    if not words:
        return False
    words[-1] = words[-1].removesuffix("s") if not words[-1].endswith("ss") else words[-1]
    return any("_".join(words[-count:]) in _SECRET_ENDINGS for count in (1, 2, 3))


def redact_value(key: str, value: str) -> str:
    """The text value of a config entry or variable as it may be recorded. An empty value stays, it hides nothing."""
    return REDACTED if value and is_secret_key(key) else redact_text(value)


def redact_shapes(text: str) -> str:
    """The text without what has the shape of a known credential, whatever it stands under."""
    for hint, shape in _SHAPES:
        if hint in text:
            text = shape.sub(REDACTED, text)
    if "PRIVATE KEY-----" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    return _USER_INFO.sub(rf"://\1:{REDACTED}@", text) if "://" in text else text


def redact_text(text: str) -> str:
    """A longer text, such as a diff, without credentials: by shape, and by the keys of the assignments in it.

    It goes line by line, so that another thread never waits for the interpreter while one expression runs over all.
    """
    if "PRIVATE KEY-----" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    return "".join(map(_redact_line, text.splitlines(keepends=True)))


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """A command line without credentials, also in `--api-key VALUE`, `--api-key=VALUE` and `model.api_key=VALUE`."""
    redacted: list[str] = []
    secret_follows = False
    for argument in arguments:
        key, equals, value = argument.partition("=")
        is_flag = argument.startswith("-")
        if secret_follows and not is_flag:
            redacted.append(REDACTED)
        elif equals and value and is_secret_key(key):
            redacted.append(f"{key}={REDACTED}")
        else:
            redacted.append(redact_text(argument))
        secret_follows = is_flag and not equals and is_secret_key(argument)
    return redacted


def _redact_line(line: str) -> str:
    line = redact_shapes(line)
    return _ASSIGNMENT.sub(_redact_assignment, line) if _KEY_HINT.search(line) else line


def _redact_assignment(match: re.Match[str]) -> str:
    key, _, quoted, bare = match.groups()
    value, group = (bare, 4) if quoted is None else (quoted, 3)
    if not value or value == REDACTED or not is_secret_key(key) or (bare and _HARMLESS_WORD.fullmatch(bare)):
        return match[0]
    start, end = match.start(group) - match.start(), match.end(group) - match.start()
    return match[0][:start] + REDACTED + match[0][end:]
