"""A run's whole story in a signed envelope, which anyone can verify without our database.

The envelope is DSSE (https://github.com/secure-systems-lab/dsse), what it holds an in-toto statement
(https://github.com/in-toto/attestation): its subject is the run by the hash of its newest event, its predicate the
events, the configuration that the run began with, and where the chats' records say that it was shown, to whom.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # re-exported without a word

from coordination.domain.events import RunRequested
from coordination.domain.transitions import Recorded
from coordination.errors import RunNotFoundError, StorageError
from coordination.storage.audit import Finding, Row, reading, verify_export
from coordination.storage.schema import configs, events
from coordination.storage.sql_run_log import decode
from coordination.text import Text

_parsed = cast("Callable[[Any], Envelope]", Envelope.from_dict)  # pyright: ignore[reportUnknownMemberType] - a bare dict
_written = cast("Callable[[Envelope], Mapping[str, Any]]", Envelope.to_dict)  # pyright: ignore[reportUnknownMemberType] - likewise

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:massgen-bot:run-log:1"


# The chats keep these, and not every log has them.
_cards = sa.table(
    "cards",
    *(sa.column(name, sa.Text) for name in ("run", "tenant", "channel", "thread", "message", "posted_at", "story")),
)
_copies = sa.table(
    "card_copies", *(sa.column(name, sa.Text) for name in ("run", "tenant", "channel", "person", "message", "made_at"))
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One message that showed the run, as the chats' records have it: no hash covers them, only the signature.

    Attributes:
        kind: `card`, the `story` in its thread, or a `copy` elsewhere.
        channel: the channel, or one person's direct messages.
        thread: the thread in it; empty: none.
        person: the account whose direct messages they are; empty: it was for everybody there.
        message: the chat's id of the message; a story's is not kept.
        at: when it was posted.
    """

    kind: str
    tenant: str
    channel: str
    thread: str = ""
    person: str = ""
    message: str = ""
    at: str = ""


_SHOWN = ("kind", "tenant", "channel", "thread", "person", "message", "at")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a signed export turned out to be: the run, its newest event, who signed, and all that is wrong with it.

    `log` and `shown` are empty where anything is.
    """

    run: str
    head: str
    key_id: str
    findings: Sequence[Finding]
    log: Sequence[Recorded] = field(default=(), repr=False)
    shown: Sequence[Shown] = ()


def sign(url: str, run: str, key: Path) -> str:
    """A run's statement, signed with the private key of a PEM file, as one line of JSON.

    Raises:
        RunNotFoundError: there is no such run.
        StorageError: the database can't be read, or the key can't be used.
    """
    return envelope_of(_statement(url, run), key)


def envelope_of(statement: Mapping[str, object], key: Path) -> str:
    """A statement, signed with the private key of a PEM file, as one line of JSON.

    Raises:
        StorageError: the key can't be used.
    """
    envelope = Envelope(json.dumps(statement, ensure_ascii=False).encode(), PAYLOAD_TYPE, {})
    envelope.sign(_signer(key))
    return json.dumps(_written(envelope))


def verify_signed(text: str, key: Path) -> Verified:
    """Open an envelope with the public key of a PEM file, and verify what it holds as if it lay in the database.

    Raises:
        StorageError: the text is no signed export, this key did not sign it, or the key can't be used.
    """
    public = _public_key(key)
    try:
        envelope = _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, SigningError) as error:
        raise _no_export() from error
    try:
        envelope.verify([public], threshold=1)
    except SigningError as error:
        raise StorageError(
            Text("Nothing here is signed with {key}, or it was changed after it was signed.", key=key)
        ) from error
    run, head, rows, config, shown = _read(envelope)
    findings = list(verify_export(run, rows, config))
    if not findings and head != rows[-1]["hash"]:
        findings.append(Finding(run=run, seq=rows[-1]["seq"], problem="the statement names another newest event"))
    if findings:
        return Verified(run=run, head=head, key_id=public.keyid, findings=findings)
    log = [_recorded(row) for row in rows]
    return Verified(run=run, head=head, key_id=public.keyid, findings=findings, log=log, shown=shown)


def _recorded(row: Row) -> Recorded:
    event = decode(row["kind"], row["v"], row["body"])
    return Recorded(run=row["run"], seq=row["seq"], at=datetime.fromisoformat(row["at"]), event=event)


def _statement(url: str, run: str) -> Mapping[str, object]:
    with reading(url) as connection:
        query = sa.select(events).where(events.c.run == run).order_by(events.c.seq)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        if not rows:
            raise RunNotFoundError(run)
        begun = decode(rows[0]["kind"], rows[0]["v"], rows[0]["body"])
        digest = begun.config_digest if isinstance(begun, RunRequested) else ""
        kept = connection.execute(sa.select(configs).where(configs.c.digest == digest)).one_or_none()
        shown = [{name: getattr(each, name) for name in _SHOWN} for each in _shown(connection, run)]
    config = {"text": kept.text, "origin": kept.origin} if kept is not None else {"text": "", "origin": ""}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"run/{run}", "digest": {"sha256": rows[-1]["hash"]}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"events": rows, "config": config, "shown": shown},
    }


def _shown(connection: sa.Connection, run: str) -> Iterator[Shown]:
    """Where the chats' records say that a run was shown; nothing where no chat was asked."""
    tables = sa.inspect(connection)
    if not tables.has_table(_cards.name):
        return
    for card in connection.execute(sa.select(_cards).where(_cards.c.run == run)):
        where = {"tenant": card.tenant, "channel": card.channel}
        if card.message:
            yield Shown(kind="card", **where, thread=card.thread, message=card.message, at=card.posted_at or "")
        if card.story:
            yield Shown(kind="story", **where, thread=card.story)
    copies = sa.select(_copies).where(_copies.c.run == run, _copies.c.message != "")
    for copy in connection.execute(copies.order_by(_copies.c.made_at, _copies.c.channel)):
        where = {"tenant": copy.tenant, "channel": copy.channel}
        yield Shown(kind="copy", **where, person=copy.person, message=copy.message, at=copy.made_at)


def _read(envelope: Envelope) -> tuple[str, str, Sequence[Row], tuple[str, str], Sequence[Shown]]:
    """The run, its newest event's hash, its events, its configuration's text and origin, and where it was shown."""
    try:
        statement = cast("dict[str, Any]", json.loads(envelope.payload))
        is_ours = envelope.payload_type == PAYLOAD_TYPE and statement["_type"] == STATEMENT_TYPE
        (subject,) = statement["subject"]
        run, head = str(subject["name"]).removeprefix("run/"), str(subject["digest"]["sha256"])
        predicate = statement["predicate"]
        rows, config = list(predicate["events"]), predicate["config"]
        texts = (str(config["text"]), str(config["origin"]))
        # Exports of earlier versions do not say where.
        shown = [Shown(**{name: str(each[name]) for name in _SHOWN}) for each in predicate.get("shown", ())]
        fits = all(row.keys() == events.columns.keys() or set(row) == set(events.columns.keys()) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_export() from error
    if not (is_ours and statement["predicateType"] == PREDICATE_TYPE and rows and fits):
        raise _no_export()
    return run, head, rows, texts, shown


def _no_export() -> StorageError:
    return StorageError(
        Text("The file is not a signed export: choose one that `massgen-bot audit export --sign` wrote.")
    )


def _signer(path: Path) -> CryptoSigner:
    try:
        return CryptoSigner(load_pem_private_key(path.read_bytes(), None))
    except OSError as error:
        raise _unreadable(path, error) from error
    except TypeError as error:
        raise StorageError(Text("{key} is protected by a passphrase: use a key without one.", key=path)) from error
    except (ValueError, SigningError) as error:
        raise StorageError(
            Text(
                "{key} is not a private key that can sign: use a PEM file with an Ed25519, ECDSA or RSA key.", key=path
            )
        ) from error


def _public_key(path: Path) -> SSlibKey:
    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, SigningError) as error:
        raise StorageError(
            Text("{key} is not a public key: use a PEM file with the public key of the signer.", key=path)
        ) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(Text("{file} can't be read: {why}", file=path, why=error.strerror or ""))
