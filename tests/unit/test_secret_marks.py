"""What is shown in the place of a secret stands for that value alone, and nothing else is hidden."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.text import head_of, one_line, original, original_of_lines, tail_of, visible, visible_lines
from coordination.redaction import CERTAIN, learn_secrets
from coordination.secret_marks import MARK, MARKS, Marks, marked, secrets_in

TOKEN = "ghp_" + "a1B2c3" * 6
PASSWORD = "x7-Kq9.w"


def armored(sort: str, data: bytes) -> str:
    """A key as files have it."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {sort}-----", *lines, f"-----END {sort}-----"))


PRIVATE_KEY = armored("PRIVATE KEY", b"\x30\x81\x80" + bytes(range(128)))

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

FORMATS = {
    "GitHub": TOKEN,
    "GitHub, installation": f"ghs_1234567_{JWT}",
    "GitHub, fine-grained": f"github_pat_{'1A' * 11}_{'b2' * 29}c",
    "GitLab": "glpat-Ab1_Cd2-Ef3_Gh4-Ij5_",
    "GitLab, routable": f"glpat-{'Ab1_' * 8}.01.1a2b3c4d5",
    "Slack": "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOp",
    "Slack, app": f"xapp-1-A0123456789-1234567890123-{'a1' * 32}",
    "AWS, key id": "AKIAIOSFODNN7EXAMPLE",
    "Google": "AIza" + "Sy1-_" * 7,
    "Anthropic": f"sk-ant-api03-{'aB1-_' * 18}abcAA",
    "OpenAI": f"sk-proj-{'aB1_' * 10}T3BlbkFJ{'aB1_' * 10}",
    "npm": "npm_" + "a1B2c3" * 6,
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + "aB1-_" * 20,
    "Stripe": "sk_live_" + "a1B2c3" * 4,
    "JWT": JWT,
    "PKCS 8": PRIVATE_KEY,
    "PKCS 8, in JSON": PRIVATE_KEY.replace("\n", "\\n"),
    "PKCS 8, in YAML": PRIVATE_KEY.replace("\n", "\n    "),
    "PKCS 8, in a field of one line": PRIVATE_KEY.replace("\n", " "),
    "OpenSSH": armored("OPENSSH PRIVATE KEY", b"openssh-key-v1\0" + bytes(100)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_vendors_give_out_is_known_by_its_format(name: str) -> None:
    secret = FORMATS[name]
    assert marked(f'set "{secret}" there') == f'set "{MARKS.of(secret)}" there'


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"https://ci:{PASSWORD}@example.org/a.git", PASSWORD),
        ("postgresql+psycopg://bot:hunter22@[::1]:5432/bot", "hunter22"),
        ("https://:only-a-password@example.org", "only-a-password"),
        (f"aws_secret_access_key = {'wJalrXUt' * 5}", "wJalrXUt" * 5),
        (f'{{"SecretAccessKey": "{"aB3/+dEf" * 5}"}}', "aB3/+dEf" * 5),
    ],
)
def test_of_a_login_only_the_password_is_hidden(text: str, secret: str) -> None:
    assert marked(text) == text.replace(secret, MARKS.of(secret))


@pytest.mark.parametrize(
    "text",
    [
        "de305d54-75b4-431b-adb2-eb6b9e546014 da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "pip install sk-learn; import task-ghp_x; desk-ant-api03 risk_live_" + "a" * 10,
        "AKIAlowercase AIzaShort npm_config_registry pypi-server xoxo-hugs glpat-x eyJ.eyJ.x sk-ant-hill",
        "https://example.org:8443/@user/a?b=c:d@e mailto:a@b.example ssh://git@example.org:22/a",
        "https://x:$(reboot)@example.org https://x:`id`@example.org https://x:a b@example.org https://x:a;b@example.org",
        "-----BEGIN PRIVATE KEY-----\nrm -rf /\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nreboot\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        f"ghp_{'a' * 20} {'eyJ' * 3000} {'-' * 3000}",
    ],
)
def test_nothing_else_is_hidden(text: str) -> None:
    """Least of all what a shell or a program would obey."""
    assert secrets_in(text) == ()


def test_a_value_that_the_process_was_given_as_a_secret_is_known_and_an_ordinary_word_is_not() -> None:
    before = len(CERTAIN)
    try:
        learn_secrets(
            "q8!Zr5$wTn2@", "q8!Zr5$wTn2&", "postgres", "production-europe", "someone1@example.org", "2026-11-29"
        )
        assert CERTAIN[before:] == ["q8!Zr5$wTn2&"]
        assert marked("log in with q8!Zr5$wTn2& now") == f"log in with {MARKS.of('q8!Zr5$wTn2&')} now"
    finally:
        del CERTAIN[before:]


def test_marks_are_those_of_an_installation_and_of_one_value() -> None:
    here, there, elsewhere = Marks(), Marks(), Marks()
    here.use(b"k" * 32)
    there.use(b"k" * 32)
    assert here.of(TOKEN) == there.of(TOKEN) != elsewhere.of(TOKEN)
    assert here.of(TOKEN) != here.of(TOKEN[:-1])
    assert re.fullmatch(MARK, here.of(TOKEN))


PIECES = st.one_of(
    st.sampled_from([*FORMATS.values(), f"https://ci:{PASSWORD}@example.org"]),
    st.sampled_from([MARKS.of(TOKEN), "⟨secret:", "⟨U+202E⟩", "⟨", "secret:", "⟩", "\n", " ", "\u202e"]),
    st.text(st.characters(codec=None), max_size=5),
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)


def values_of(text: str) -> dict[str, str]:
    return {MARKS.of(text[start:end]): text[start:end] for start, end in secrets_in(text)}


@given(TEXTS)
def test_no_two_texts_look_the_same_whatever_secrets_they_have(text: str) -> None:
    """Each mark on a card is one that this program made: `values_of` has no other, so that a literal one would fail."""
    values = values_of(text)
    parts = re.split(f"({MARK})", visible(text))
    assert "".join(values[each] if re.fullmatch(MARK, each) else original(each) for each in parts) == text
    parts = re.split(f"({MARK})", visible_lines(text))
    assert "".join(values[each] if re.fullmatch(MARK, each) else original_of_lines(each) for each in parts) == text


def test_a_mark_that_somebody_writes_is_told_from_one_of_ours() -> None:
    mark = MARKS.of(TOKEN)
    assert visible(f"{TOKEN} {mark}") == f"{mark} ⟨U+27E8⟩{mark[1:]}"
    assert one_line(mark.replace(":", ":\n"), 80) != mark


def test_no_cut_leaves_a_part_of_a_secret_or_of_a_mark() -> None:
    text = f"use {TOKEN} now"
    for most in range(2, 60):
        for shown in (one_line(text, most), head_of(visible(text), most), tail_of(visible(text), most)):
            assert re.search("ghp_|a1B2|[⟨⟩]|secret", shown.replace(MARKS.of(TOKEN), "")) is None
