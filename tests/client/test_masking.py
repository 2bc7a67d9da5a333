"""What may be shared of a question: secrets of every common shape are masked, and what is none stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onduty.client.folders import relative
from onduty.client.masking import LONGEST, masked, one_line

SECRET = "hunter2" + "Hunter3"
KEY = "0123456789abcdef" * 2
TOKENS = ("ody_", "sk-", "sk-ant-api03-", "ghp_", "github_pat_", "glpat-", "xoxb-", "npm_", "AKIA", "eyJhbGciOi.")
TEXTS = (
    f"curl -H 'Authorization: Bearer {SECRET}' http://x",
    f"curl -H 'authorization: {SECRET}'",
    f"curl -u alice:{SECRET} http://x",
    f"curl --user=alice:{SECRET} http://x",
    f"psql postgres://alice:{SECRET}@db/shop",
    f"export DB_PASSWORD={SECRET}; make",
    f'API_KEY="{SECRET} and more" make',
    f"tool --token {SECRET} --all",
    f"tool --client-secret={SECRET}",
    f'{{"password": "{SECRET}"}}',
    f"may I use it? the password is {SECRET}",
    f"sshpass -p {SECRET} ssh box",
    f"mysql -u root -p{SECRET}",
    f"Cookie: session={SECRET}; b=2",
    f"echo {KEY}",
    f"curl https://hooks.example/T00/B00/{KEY}",
    f"echo '-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----' > key",
    f"echo -----BEGIN PRIVATE KEY----- {SECRET}",
    *(f"login {token}{SECRET}" for token in TOKENS),
)
PLAIN = (
    "alembic upgrade head",
    "May I rotate the token on the staging database?",
    "mkdir -p src/onduty/database/migrations/versions",
    "pytest -k test_a_question_2_waits_for_a_person_and_more -n 2",
    "git push origin fix/refund-rounding",
    "echo $GITHUB_TOKEN | wc -c",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_is_masked(text: str) -> None:
    assert SECRET not in one_line(text)
    assert KEY not in one_line(text)
    assert "…" in one_line(text)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert one_line(text) == text


@given(st.text(max_size=300), st.sampled_from(TEXTS), st.text(max_size=300))
def test_whatever_stands_around_it_is_one_short_line_and_masked_for_good(before: str, text: str, after: str) -> None:
    line = one_line(f"{before} {text} {after}")
    assert len(line) <= LONGEST
    assert line.isprintable()
    assert SECRET not in line
    assert masked(line) == line


@given(st.text())
def test_masking_makes_no_text_longer(text: str) -> None:
    assert len(masked(text)) <= len(text)


def test_half_a_secret_at_the_end_of_what_is_looked_at_is_none() -> None:
    """4000 characters are looked at: a token that begins before and ends after that is dropped whole."""
    filling = "x " * 1998
    line = one_line(f"-----BEGIN A KEY----- {filling[:3960]}-----END A KEY----- ghp_{SECRET}")
    assert "ghp_" not in line


def test_paths_are_named_from_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    text = "cat /home/ada/shop/src/a.py /home/ada/shop /home/ada/shop2 '/home/ada' /etc/hosts"
    assert relative(text, "/home/ada/shop/") == "cat src/a.py . ~/shop2 '~' /etc/hosts"
    assert relative("ls /", "/") == "ls /"
