from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.secrets import REDACTED, is_secret_key, redact_arguments, redact_text, redact_value

PEM = "-----BEGIN RSA PRIVATE KEY-----\n+MIIEow\n+abc=\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
CREDENTIALS = [
    "hf_" + "aB3" * 11,
    "sk-" + "a1B2" * 12,
    "sk-proj-" + "abcd_efgh-" * 4,
    "sk-ant-api03-" + "x" * 40,
    "AKIA" + "ABCDEFGH12345678",
    "ghp_" + "a1" * 18,
    "github_pat_" + "11ABC_" * 6,
    "glpat-" + "x" * 20,
    "xoxb-1234567890-abcdef",
    JWT,
    PEM,
]


@pytest.mark.parametrize(
    "key",
    ["api_key", "OPENAI_API_KEY", "openaiApiKey", "api-key", "aws.secret", "clientSecret", "db_password", "passwd",
     "credentials", "access_token", "auth_token", "HF_TOKEN", "hub_token", "AWS_SECRET_ACCESS_KEY", "--api-key"],
)  # fmt: skip
def test_a_key_whose_last_word_names_a_credential_is_secret(key: str) -> None:
    assert is_secret_key(key)
    assert redact_value(key, "anything") == REDACTED


@pytest.mark.parametrize(
    "key",
    ["max_tokens", "tokenizer", "eos_token", "pad_token", "token", "key", "secretary", "password_length", "monkey",
     "secret_sharing", "compass", "keys", "num_passes", "", "api_key_name", "..."],
)  # fmt: skip
def test_other_keys_stay(key: str) -> None:
    assert not is_secret_key(key)
    assert redact_value(key, "</s>") == "</s>"


@pytest.mark.parametrize("credential", CREDENTIALS)
def test_what_is_shaped_like_a_credential_is_taken_out_wherever_it_stands(credential: str) -> None:
    for text in (credential, f"x = '{credential}'", f'+note: "{credential}",', f"see {credential} there"):
        redacted = redact_text(text)
        assert credential not in redacted
        assert REDACTED in redacted
    assert redact_value("note", credential) == REDACTED
    assert redact_arguments([f"--note={credential}"]) == [f"--note={REDACTED}"]


def test_only_the_password_of_a_url_is_taken_out() -> None:
    assert redact_text("postgres://me:p@ss@db:5432/x") == f"postgres://me:{REDACTED}@db:5432/x"
    assert redact_text("https://db:8123/x?a=b@c") == "https://db:8123/x?a=b@c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+API_KEY = 'abc'", f"+API_KEY = '{REDACTED}'"),
        ('api_key: str = "abc"', f'api_key: str = "{REDACTED}"'),
        ('{"password": "a b", "n": 1}', f'{{"password": "{REDACTED}", "n": 1}}'),
        ("f(api_key='q', b='r')", f"f(api_key='{REDACTED}', b='r')"),
        ("-  password: hunter2", f"-  password: {REDACTED}"),
        ("export HF_TOKEN=abc\nB=2\n", f"export HF_TOKEN={REDACTED}\nB=2\n"),
        ("-----BEGIN PRIVATE KEY-----\n+MII", REDACTED),
    ],
)
def test_assignments_in_a_diff_lose_their_secrets_and_nothing_else(text: str, expected: str) -> None:
    assert redact_text(text) == expected


@pytest.mark.parametrize(
    "text",
    ["max_tokens: 512", "password: 1234", "api_key = args.api_key", "api_key: str", "password=None", "secret: $SECRET",
     "eos_token = '</s>'", "def f(api_key, password): ...", 'os.environ["API_KEY"]', "task-learn-a-long-name",
     "sk-learn-intelex-package-name", "lr: 1e-4", "password = ''"],
)  # fmt: skip
def test_numbers_constants_variables_and_code_stay(text: str) -> None:
    assert redact_text(text) == text


def test_a_secret_is_taken_out_of_each_form_of_argument() -> None:
    given_arguments = [
        "train.py",
        "--api-key",
        "v",
        "--api-key=v",
        "model.password=v",
        "--lr",
        "0.1",
        "--secret",
        "--x",
    ]
    expected = ["train.py", "--api-key", REDACTED, f"--api-key={REDACTED}", f"model.password={REDACTED}", "--lr", "0.1"]
    assert redact_arguments(given_arguments) == [*expected, "--secret", "--x"]


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.parametrize(
    "unit",
    ["a", "sk-", "eyJaaaaaaaa.", "password='", "password: ", "://aa:bb", "-----BEGIN A ", "a:", "\n", "x = y.z(1)\n",
     "-----BEGIN PRIVATE KEY-----"],
)  # fmt: skip
def test_a_megabyte_of_any_kind_takes_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.process_time()
    redact_text(text)
    # Usually 0.05 s to 0.4 s; anything quadratic takes minutes.
    assert time.process_time() - began < 5
