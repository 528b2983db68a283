"""A run's whole story in a signed envelope, which anyone can verify without our database.

The envelope is DSSE (https://github.com/secure-systems-lab/dsse), what it holds an in-toto statement
(https://github.com/in-toto/attestation): its subject is the run by the hash of its newest event, its predicate the events
and the configuration that the run began with.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SigningError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]  # re-exported without a word

from coordination.domain.events import RunRequested
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


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a signed export turned out to be: the run, its newest event, who signed, and all that is wrong with it."""

    run: str
    head: str
    key_id: str
    findings: Sequence[Finding]


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
    run, head, rows, config = _read(envelope)
    findings = list(verify_export(run, rows, config))
    if not findings and head != rows[-1]["hash"]:
        findings.append(Finding(run=run, seq=rows[-1]["seq"], problem="the statement names another newest event"))
    return Verified(run=run, head=head, key_id=public.keyid, findings=findings)


def _statement(url: str, run: str) -> Mapping[str, object]:
    with reading(url) as connection:
        query = sa.select(events).where(events.c.run == run).order_by(events.c.seq)
        rows = [dict(row) for row in connection.execute(query).mappings()]
        if not rows:
            raise RunNotFoundError(run)
        begun = decode(rows[0]["kind"], rows[0]["v"], rows[0]["body"])
        digest = begun.config_digest if isinstance(begun, RunRequested) else ""
        kept = connection.execute(sa.select(configs).where(configs.c.digest == digest)).one_or_none()
    config = {"text": kept.text, "origin": kept.origin} if kept is not None else {"text": "", "origin": ""}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"run/{run}", "digest": {"sha256": rows[-1]["hash"]}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"events": rows, "config": config},
    }


def _read(envelope: Envelope) -> tuple[str, str, Sequence[Row], tuple[str, str]]:
    """The run, the hash of its newest event, its events, and the text and origin of its configuration."""
    try:
        statement = cast("dict[str, Any]", json.loads(envelope.payload))
        is_ours = envelope.payload_type == PAYLOAD_TYPE and statement["_type"] == STATEMENT_TYPE
        (subject,) = statement["subject"]
        run, head = str(subject["name"]).removeprefix("run/"), str(subject["digest"]["sha256"])
        predicate = statement["predicate"]
        rows, config = list(predicate["events"]), predicate["config"]
        texts = (str(config["text"]), str(config["origin"]))
        fits = all(row.keys() == events.columns.keys() or set(row) == set(events.columns.keys()) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _no_export() from error
    if not (is_ours and statement["predicateType"] == PREDICATE_TYPE and rows and fits):
        raise _no_export()
    return run, head, rows, texts


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
