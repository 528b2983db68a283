"""A time stamp server (RFC 3161) on loopback, written from the RFC: what it signs is put together here, byte by byte."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client import TimeStampRequest
from rfc3161_client._rust import parse_timestamp_request

STAMPED = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
_BEGIN, _END = STAMPED - timedelta(days=1), STAMPED + timedelta(days=1)
_SHA256 = "608648016503040201"


def der(tag: int, *parts: bytes) -> bytes:
    """One value in DER."""
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(size)]) + size + content


def _integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _algorithm(oid: str) -> bytes:
    return der(0x30, der(0x06, bytes.fromhex(oid)))


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Who stamps: a root, and the certificate that it made for stamping."""

    root: x509.Certificate
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self, *, with_own: bool = False) -> bytes:
        """The root's certificate, as a file for those who verify; and that of who stamps."""
        each = [self.root, self.certificate] if with_own else [self.root]
        return b"".join(one.public_bytes(Encoding.PEM) for one in each)

    def token(self, digest: bytes, nonce: int, *, with_certificate: bool = True) -> bytes:
        """A whole reply that grants a time stamp over a digest."""
        imprint = der(0x30, _algorithm(_SHA256), der(0x04, digest))
        at = der(0x18, STAMPED.strftime("%Y%m%d%H%M%SZ").encode())
        policy = der(0x06, bytes.fromhex("2a0304"))
        info = der(0x30, _integer(1), policy, imprint, _integer(7), at, _integer(nonce))
        kind = der(0x06, bytes.fromhex("2a864886f70d0109100104"))
        own = self.certificate.public_bytes(Encoding.DER)
        signed_data = der(
            0x30,
            _integer(3),
            der(0x31, _algorithm(_SHA256)),
            der(0x30, kind, der(0xA0, der(0x04, info))),
            der(0xA0, own) if with_certificate else b"",
            der(0x31, self._signer(kind, info)),
        )
        token = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010702")), der(0xA0, signed_data))
        return der(0x30, der(0x30, _integer(0)), token)

    def _signer(self, kind: bytes, info: bytes) -> bytes:
        own = sha256(self.certificate.public_bytes(Encoding.DER)).digest()
        signed = {
            "2a864886f70d010903": kind,
            "2a864886f70d010904": der(0x04, sha256(info).digest()),
            "2a864886f70d010910022f": der(0x30, der(0x30, der(0x30, der(0x04, own)))),
        }
        each = [der(0x30, der(0x06, bytes.fromhex(oid)), der(0x31, value)) for oid, value in signed.items()]
        attributes = b"".join(sorted(each))
        signature = self.key.sign(der(0x31, attributes), ec.ECDSA(hashes.SHA256()))
        issuer = der(0x30, self.certificate.issuer.public_bytes(), _integer(self.certificate.serial_number))
        return der(
            0x30,
            _integer(1),
            issuer,
            _algorithm(_SHA256),
            der(0xA0, attributes),
            _algorithm("2a8648ce3d040302"),
            der(0x04, signature),
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@cache
def authority(name: str = "Time") -> Authority:
    """An authority of this name, the same each time."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().not_valid_before(_BEGIN).not_valid_after(_END)
    root = (
        builder.subject_name(_named(name))
        .issuer_name(_named(name))
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    certificate = (
        builder.subject_name(_named(f"{name} stamps"))
        .issuer_name(_named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    return Authority(root=root, certificate=certificate, key=key)


def granted(request: TimeStampRequest) -> web.Response:
    """What a server answers that does as it should."""
    message, nonce = request.message_imprint.message, request.nonce or 0
    return answer(authority().token(message, nonce, with_certificate=request.cert_req))


def answer(body: bytes) -> web.Response:
    """A reply of these bytes."""
    return web.Response(body=body, content_type="application/timestamp-reply")


@dataclass
class TimeStampServer:
    """Answers each request as it is told, and keeps what it was asked."""

    url: str = ""
    answers: Callable[[TimeStampRequest], web.Response] = granted
    asked: list[TimeStampRequest] = field(default_factory=list[TimeStampRequest])

    async def _handle(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/timestamp-query"
        asked = parse_timestamp_request(await request.read())
        self.asked.append(asked)
        return self.answers(asked)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> "AsyncGenerator[TimeStampServer]":
        """A server on a free port."""
        server, app = cls(), web.Application()
        app.router.add_post("/", server._handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            yield server
        finally:
            await runner.cleanup()
