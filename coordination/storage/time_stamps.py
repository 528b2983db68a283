"""A time stamp (RFC 3161) beside an anchor: the word of somebody else that the anchor was there by then.

The token lies beside the file, as `openssl ts` reads it too, and covers the file's bytes. Whoever can write to both can
take them away, but can't date another anchor back.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from coordination.errors import StorageError
from coordination.storage.audit import Finding
from coordination.text import Text

SUFFIX = ".tsr"
PATIENCE = 20.0
"""How long a server may take, in seconds."""

_MOST = 262_144
_SHA256 = "2.16.840.1.101.3.4.2.1"


class _UnreadableReply(Exception):
    """What came is not a time stamp, as far as the library can tell."""


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """What a time stamp turned out to be: when it was made, and all that is wrong with it."""

    at: datetime | None
    findings: Sequence[Finding]


async def stamp(anchor: Path, server: str, *, patience: float = PATIENCE) -> Path | None:
    """Have a server stamp a file, and keep the token beside it. None: there is one of this very file already.

    Args:
        anchor: the file; its token has the same name with the suffix `.tsr`.
        server: the address of the time stamp server.
        patience: how long the server may take, in seconds.

    Raises:
        StorageError: there is no such file, the token can't be written, or the server gave none for these bytes.
    """
    token = anchor.with_suffix(SUFFIX)
    data = await asyncio.to_thread(_bytes_of, anchor)
    if await asyncio.to_thread(_is_stamped, token, data):
        return None
    reply = await _asked(server, data, patience)
    await asyncio.to_thread(_write, token, reply)
    return token


def verify_stamp(anchor: Path, certificates: Path) -> Stamped:
    """Hold the token beside an anchor against the certificates of a PEM file; nobody is asked for that.

    The file has the root of who stamps, what is between, and the stamping certificate itself where the token lacks it.

    Raises:
        StorageError: a file is missing, or is no such thing.
    """
    data, token, trusted = _bytes_of(anchor), _bytes_of(anchor.with_suffix(SUFFIX)), _certificates(certificates)
    try:
        response = _parsed(token)
        _verify(response, data, trusted)
    except (_UnreadableReply, VerificationError) as error:
        cause = str(error).partition(": ErrorStack")[0] or "the token can't be read"
        return Stamped(at=None, findings=[_finding(cause)])
    return Stamped(at=response.tst_info.gen_time, findings=[])


def _verify(response: TimeStampResponse, data: bytes, trusted: Sequence[Certificate]) -> None:
    roots = [each for each in trusted if each.issuer == each.subject]
    if not roots:
        raise VerificationError("there is no root among the certificates")
    between = [each for each in trusted if each not in roots]
    signers = {(each.issuer, each.serial_number) for each in response.signed_data.signer_infos}
    named = [each for each in trusted if (each.issuer, each.serial_number) in signers]
    builder = VerifierBuilder(roots=roots, intermediates=between, tsa_certificate=named[0] if named else None)
    try:
        builder.build().verify_message(response, data)
    except VerificationError:
        raise
    except Exception as error:  # the library lets its parser's errors through
        raise _UnreadableReply from error


def _finding(cause: str) -> Finding:
    return Finding(run="", seq=0, problem=f"the time stamp beside the anchor does not hold: {cause}")


async def _asked(server: str, data: bytes, patience: float) -> bytes:
    """A reply that is about these bytes and this question; who signed it is for whoever verifies to judge.

    Some servers send their certificates in an order that the library refuses: those are asked to leave them out.
    """
    try:
        return await _exchanged(server, data, patience, with_certificates=True)
    except _UnreadableReply:
        pass
    try:
        return await _exchanged(server, data, patience, with_certificates=False)
    except _UnreadableReply as error:
        text = Text(
            "The time stamp server {server} answered with something that is not a time stamp.", server=_host(server)
        )
        raise StorageError(text) from error


async def _exchanged(server: str, data: bytes, patience: float, *, with_certificates: bool) -> bytes:
    request = TimestampRequestBuilder(data, HashAlgorithm.SHA256, cert_req=with_certificates).build()
    reply = await _sent(server, request.as_bytes(), patience)
    response = _parsed(reply)
    status, name = response.status, _host(server)
    if status != PKIStatus.GRANTED:
        raise StorageError(
            Text("The time stamp server {server} refused, with status {status}.", server=name, status=status)
        )
    if response.tst_info.nonce != request.nonce or not _is_over(response, data):
        raise StorageError(
            Text("The time stamp server {server} stamped something other than what it was sent.", server=name)
        )
    return reply


async def _sent(server: str, query: bytes, patience: float) -> bytes:
    name, timeout = _host(server), aiohttp.ClientTimeout(total=patience)
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session,
            session.post(server, data=query, allow_redirects=False) as response,
        ):
            if response.status != 200:
                text = Text(
                    "The time stamp server {server} answered with HTTP {status}.", server=name, status=response.status
                )
                raise StorageError(text)
            reply = bytearray()
            async for chunk in response.content.iter_any():
                reply += chunk
                if len(reply) > _MOST:
                    raise _UnreadableReply
            return bytes(reply)
    except TimeoutError as error:
        text = Text(
            "The time stamp server {server} did not answer within {seconds:g} s.", server=name, seconds=patience
        )
        raise StorageError(text) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise StorageError(Text("The time stamp server {server} can't be reached.", server=name)) from error


def _parsed(reply: bytes) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(reply)
        if response.status == PKIStatus.GRANTED:  # What the token lacks is told when it is asked for.
            _ = response.tst_info.nonce, response.tst_info.gen_time, response.signed_data.signer_infos
    except Exception as error:  # whatever a stranger's bytes make of the parser
        raise _UnreadableReply from error
    return response


def _is_over(response: TimeStampResponse, data: bytes) -> bool:
    imprint = response.tst_info.message_imprint
    return imprint.hash_algorithm.dotted_string == _SHA256 and imprint.message == sha256(data).digest()


def _is_stamped(token: Path, data: bytes) -> bool:
    """Whether there is a token of these bytes, as two processes may have written an anchor."""
    try:
        response = _parsed(token.read_bytes())
    except (OSError, _UnreadableReply):
        return False
    return response.status == PKIStatus.GRANTED and _is_over(response, data)


def _write(token: Path, reply: bytes) -> None:
    unfinished = token.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        unfinished.write_bytes(reply)
        unfinished.replace(token)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise StorageError(Text("{file} can't be written: {why}", file=token, why=error.strerror or "")) from error


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StorageError(Text("{file} can't be read: {why}", file=file, why=error.strerror or "")) from error


def _certificates(file: Path) -> Sequence[Certificate]:
    try:
        return load_pem_x509_certificates(_bytes_of(file))
    except ValueError as error:
        text = Text(
            "{file} has no certificate: use a PEM file with the root certificate of the time stamp server.", file=file
        )
        raise StorageError(text) from error


def _host(server: str) -> str:
    """How people know a server: its address may hold a password."""
    return server.partition("://")[2].partition("/")[0].rpartition("@")[2]
