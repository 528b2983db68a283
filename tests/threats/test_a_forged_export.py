"""Somebody hands out a run's story that is not what happened: its signature, its hashes or its rules give it away."""

import base64
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bot.chat.sql_tables import card_copies, cards, row_of
from bot.chat.store import CardCopy, CardRecord, Done, Post
from bot.terminal.audit_commands import export, show_file, verify_file
from bot.terminal.cli_context import CliContext
from bot.terminal.error_handler import Exit
from coordination.errors import RunNotFoundError, StorageError
from coordination.storage.database import open_engine, parse_url
from coordination.storage.signed_export import envelope_of, sign, verify_signed
from coordination.storage.sql_run_log import event_hash
from tests.builders import START
from tests.threats.test_a_log_written_anew import LATER, url

__all__ = ["url"]

Forgery = Callable[[dict[str, Any]], object]


def written(folder: Path, name: str, key: Ed25519PrivateKey) -> tuple[Path, Path]:
    """A key pair's files."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def forged(envelope: str, key: Path, forge: Forgery) -> str:
    """Another statement in the same form, signed anew."""
    statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    forge(statement)
    return envelope_of(statement, key)


def chained(statement: dict[str, Any]) -> None:
    """Compute every hash anew, as whoever forges a log does."""
    prev = "0" * 64
    for number, row in enumerate(statement["predicate"]["events"], 1):
        row |= {"prev": prev, "seq": number}
        row["hash"] = prev = event_hash(
            **{name: value for name, value in row.items() if name not in ("hash", "prev")}, prev=prev
        )
    statement["subject"][0]["digest"]["sha256"] = prev


def test_a_run_is_handed_out_signed_and_proved_without_a_database(url: str, tmp_path: Path) -> None:
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    out = StringIO()
    assert export(CliContext(environ={"DATABASE_URL": url}, stdout=out), "AAAA", str(private)) == Exit.DONE
    file = tmp_path / "AAAA.json"
    file.write_text(out.getvalue())
    told = StringIO()
    assert verify_file(CliContext(environ={}, stdout=told), str(file), str(public)) == Exit.DONE
    assert "Run AAAA is intact" in told.getvalue()
    assert verify_file(CliContext(environ={}, stdout=told, stderr=told), str(file), "") == Exit.USAGE
    with pytest.raises(RunNotFoundError):
        sign(url, "CCCC", private)


def test_what_was_changed_after_it_was_signed_or_signed_by_another_is_no_proof(url: str, tmp_path: Path) -> None:
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    other, _ = written(tmp_path, "other", Ed25519PrivateKey.generate())
    envelope = sign(url, "AAAA", private)
    changed = json.loads(envelope)
    changed["payload"] = base64.b64encode(base64.b64decode(changed["payload"]).replace(b"AAAA", b"BBBB")).decode()
    for text in (json.dumps(changed), forged(envelope, other, lambda statement: statement)):
        with pytest.raises(StorageError, match="Nothing here is signed with"):
            verify_signed(text, public)


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        (lambda it: it["predicate"]["events"].pop(2), "missing"),
        (lambda it: it["predicate"]["events"].reverse(), "are missing"),
        (lambda it: it["predicate"]["events"][1].update(at="2020-01-01T00:00:00.000000+00:00"), "was changed"),
        (lambda it: it["predicate"]["config"].update(text="agents: [other]"), "was changed or removed"),
        (lambda it: it["subject"][0]["digest"].update(sha256="0" * 64), "another newest event"),
        (lambda it: it["subject"][0].update(name="run/BBBB"), "this event can't be"),
        (lambda it: (it["predicate"]["events"].pop(19), chained(it)), "this event can't be: "),
    ],
    ids=["removed", "reordered", "changed", "other-config", "other-head", "other-run", "removed-and-chained"],
)
def test_a_forgery_is_found_although_its_signature_holds(
    url: str, tmp_path: Path, forge: Forgery, problem: str
) -> None:
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    verified = verify_signed(forged(sign(url, "AAAA", private), private, forge), public)
    assert problem in verified.findings[0].problem
    told, file = StringIO(), tmp_path / "forged.json"
    file.write_text(forged(sign(url, "AAAA", private), private, forge))
    assert verify_file(CliContext(environ={}, stdout=told), str(file), str(public)) == Exit.FAILED
    assert problem in told.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "{}", '{"payload": 7, "payloadType": "x", "signatures": []}',
        '{"payload": "", "payloadType": "x", "signatures": [{"sig": "%"}]}',
    ],
)  # fmt: skip
def test_what_is_no_envelope_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    _, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    with pytest.raises(StorageError, match=r"not a signed export|Nothing here is signed"):
        verify_signed(text, public)


@pytest.mark.parametrize(
    "forge",
    [
        lambda it: it.update(predicateType="urn:other"),
        lambda it: it["predicate"].update(events=[]),
        lambda it: it["predicate"].update(events=[{}]),
        lambda it: it["predicate"].update(events=7),
        lambda it: it.update(subject=[]),
        lambda it: it.clear(),
    ],
    ids=["other-kind", "no-events", "empty-event", "number", "no-subject", "nothing"],
)
def test_a_signed_statement_of_something_else_is_no_export(url: str, tmp_path: Path, forge: Forgery) -> None:
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    with pytest.raises(StorageError, match="not a signed export"):
        verify_signed(forged(sign(url, "AAAA", private), private, forge), public)


def test_a_key_that_can_not_be_used_is_told_in_a_sentence(url: str, tmp_path: Path) -> None:
    _, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    locked, wrong = tmp_path / "locked.pem", tmp_path / "wrong.pem"
    form = (Encoding.PEM, PrivateFormat.PKCS8)
    locked.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form, BestAvailableEncryption(b"hunter2")))
    wrong.write_bytes(X25519PrivateKey.generate().private_bytes(*form, NoEncryption()))
    told = (
        (locked, "passphrase"),
        (wrong, "not a private key"),
        (public, "not a private key"),
        (tmp_path / "x", "can't be read"),
    )
    for key, sentence in told:
        with pytest.raises(StorageError, match=sentence):
            sign(url, "AAAA", key)
    for key, sentence in ((locked, "not a public key"), (tmp_path / "x", "can't be read")):
        with pytest.raises(StorageError, match=sentence):
            verify_signed("{}", key)


SHOWN = (
    CardRecord(
        run="AAAA",
        platform="discord",
        tenant="discord:1",
        channel="70",
        thread="",
        requester="u-rita",
        requester_name="rita",
        asked_at=START,
        state=Done(post=Post(message="m-card", at=START)),
        story="t-story",
    ),
    CardCopy(
        run="AAAA",
        copy="u-alice",
        platform="discord",
        tenant="discord:1",
        person="u-alice",
        plan="",
        made_at=START,
        channel="71",
        message="m-private",
    ),
    CardCopy(
        run="AAAA",
        copy="channel:72",
        platform="discord",
        tenant="discord:1",
        person="",
        plan="",
        made_at=LATER,
        channel="72",
        message="m-copy",
    ),
    CardCopy(
        run="AAAA",
        copy="u-bob",
        platform="discord",
        tenant="discord:1",
        person="u-bob",
        plan="",
        made_at=LATER,
        channel="73",
        state="gone",
    ),
)


def shown_in_a_chat(url: str) -> None:
    """The run has a card, its story, a copy for one person, one in a channel, and one that never stood."""
    engine = open_engine(parse_url(url), "write", connections=1)
    with engine.begin() as connection:
        for each in SHOWN:
            table = cards if isinstance(each, CardRecord) else card_copies
            connection.execute(sa.insert(table), row_of(each))
    engine.dispose()


def test_an_export_tells_the_whole_story_to_somebody_who_was_not_there(url: str, tmp_path: Path) -> None:
    """What was asked, answered, voted, planned, decided and done, what it cost, and who saw what where."""
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    shown_in_a_chat(url)
    file, out = tmp_path / "AAAA.json", StringIO()
    file.write_text(sign(url, "AAAA", private))
    assert show_file(CliContext(environ={}, stdout=out), str(file), str(public)) == Exit.DONE
    told = " ".join(out.getvalue().split())
    for words in (
        "Tell everyone about the power cut on Friday",
        "Post it, and take the old one down.",
        "it takes the old one down",
        '"title": "Old notice"',
        "alice",
        "posted",
        "alice approved plan",
        "account u-alice of here",
        "$0.02",
        "discord:1 70: the card, message m-card (2026-11-22T12:00:00.000000+00:00)",
        "discord:1 70: the timeline, in thread t-story",
        "discord:1 71: a copy of the card for u-alice alone, message m-private",
        "discord:1 72: a copy of the card, message m-copy",
    ):
        assert words in told
    assert "discord:1 73" not in told


def test_what_no_chat_showed_is_told_so_and_a_forgery_is_not_told_at_all(url: str, tmp_path: Path) -> None:
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    file, out = tmp_path / "AAAA.json", StringIO()
    file.write_text(sign(url, "AAAA", private))
    assert show_file(CliContext(environ={}, stdout=out), str(file), str(public)) == Exit.DONE
    assert "According to the chats' records, this run was not shown in any chat." in out.getvalue()
    told = StringIO()
    file.write_text(forged(file.read_text(), private, lambda it: it["predicate"]["events"].pop(2)))
    assert show_file(CliContext(environ={}, stdout=told), str(file), str(public)) == Exit.FAILED
    assert "missing" in told.getvalue()
    assert "power cut" not in told.getvalue()


def test_an_export_of_an_earlier_version_says_nothing_of_where_it_was_shown(url: str, tmp_path: Path) -> None:
    private, public = written(tmp_path, "own", Ed25519PrivateKey.generate())
    shown_in_a_chat(url)
    assert len(verify_signed(sign(url, "AAAA", private), public).shown) == 4
    earlier = forged(sign(url, "AAAA", private), private, lambda it: it["predicate"].pop("shown"))
    verified = verify_signed(earlier, public)
    assert verified.findings == []
    assert verified.shown == []
    with pytest.raises(StorageError, match="not a signed export"):
        verify_signed(forged(earlier, private, lambda it: it["predicate"].update(shown=[{}])), public)
