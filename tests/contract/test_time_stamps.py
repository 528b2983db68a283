"""A time stamp server's word on an anchor: taken, kept beside it, and verified with no network at all."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from rfc3161_client import TimeStampRequest

from coordination.errors import StorageError
from coordination.storage.time_stamps import Stamped, stamp, verify_stamp
from tests.servers.time_stamp_server import STAMPED, TimeStampServer, answer, authority, der, granted


@pytest.fixture
def anchor(tmp_path: Path) -> Path:
    file = tmp_path / "massgen-bot-2026-11-22.jsonl"
    file.write_text("an anchor\n", encoding="utf-8")
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    file = tmp_path / "root.pem"
    file.write_bytes(authority().pem())
    return file


def written(file: Path, data: bytes) -> None:
    file.write_bytes(data)


def problems(stamped: Stamped) -> str:
    assert stamped.at is None
    (finding,) = stamped.findings
    return finding.problem


async def test_an_anchor_is_stamped_once_and_the_stamp_is_verified_offline(anchor: Path, root: Path) -> None:
    async with TimeStampServer.running() as server:
        token = await stamp(anchor, server.url)
        assert token == anchor.with_suffix(".tsr")
        assert await stamp(anchor, server.url) is None
    assert len(server.asked) == 1
    assert verify_stamp(anchor, root) == Stamped(at=STAMPED, findings=[])


async def test_another_anchor_another_authority_and_another_token_are_found(anchor: Path, root: Path) -> None:
    async with TimeStampServer.running() as server:
        await stamp(anchor, server.url)
    written(anchor, b"another anchor\n")
    assert "Mismatch between messages" in problems(verify_stamp(anchor, root))
    written(anchor, b"an anchor\n")
    stranger = root.with_name("stranger.pem")
    written(stranger, authority("Stranger").pem())
    assert "does not hold" in problems(verify_stamp(anchor, stranger))
    written(stranger, authority().pem(with_own=True).partition(b"-----END CERTIFICATE-----\n")[2])
    assert "no root" in problems(verify_stamp(anchor, stranger))
    token = anchor.with_suffix(".tsr")
    written(token, token.read_bytes()[:-1] + b"\0")
    assert "does not hold" in problems(verify_stamp(anchor, root))
    written(token, b"junk")
    assert "the token can't be read" in problems(verify_stamp(anchor, root))


async def test_a_token_of_another_file_is_got_anew(anchor: Path, root: Path) -> None:
    """Two processes wrote the day's anchor at once, on a share without hard links."""
    async with TimeStampServer.running() as server:
        await stamp(anchor, server.url)
        written(anchor, b"the other's\n")
        assert await stamp(anchor, server.url) is not None
    assert verify_stamp(anchor, root).findings == []


async def test_a_server_whose_certificates_can_not_be_read_is_asked_to_leave_them_out(anchor: Path, root: Path) -> None:
    """Then whoever verifies needs the certificate that stamps as well."""

    def in_another_order(request: TimeStampRequest) -> web.Response:
        return answer(b"certificates in an order that DER does not allow") if request.cert_req else granted(request)

    async with TimeStampServer.running() as server:
        server.answers = in_another_order
        await stamp(anchor, server.url)
    assert [each.cert_req for each in server.asked] == [True, False]
    assert "does not hold" in problems(verify_stamp(anchor, root))
    written(root, authority().pem(with_own=True))
    assert verify_stamp(anchor, root) == Stamped(at=STAMPED, findings=[])


def _wrong_nonce(request: TimeStampRequest) -> web.Response:
    return answer(authority().token(request.message_imprint.message, (request.nonce or 0) ^ 1))


def _wrong_digest(request: TimeStampRequest) -> web.Response:
    return answer(authority().token(bytes(32), request.nonce or 0))


def _refusal(_: TimeStampRequest) -> web.Response:
    return answer(der(0x30, der(0x30, der(0x02, b"\2"))))


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (lambda _: answer(b"<html>hello</html>"), "answered with something that is not a time stamp"),
        (lambda _: answer(b""), "answered with something that is not a time stamp"),
        (lambda _: answer(bytes(300_000)), "answered with something that is not a time stamp"),
        (lambda _: answer(der(0x30, der(0x30, der(0x02, b"\0")))), "answered with something that is not a time stamp"),
        (lambda _: web.Response(status=503), "answered with HTTP 503"),
        (lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}), "answered with HTTP 302"),
        (_refusal, "refused, with status 2"),
        (_wrong_nonce, "stamped something other than what it was sent"),
        (_wrong_digest, "stamped something other than what it was sent"),
    ],
    ids=["page", "nothing", "flood", "no token", "error", "elsewhere", "refusal", "wrong nonce", "wrong digest"],
)
async def test_a_server_that_answers_anything_else_gets_one_sentence_and_leaves_nothing(
    anchor: Path, answers: Callable[[TimeStampRequest], web.Response], says: str
) -> None:
    async with TimeStampServer.running() as server:
        server.answers = answers
        with pytest.raises(StorageError, match=says) as told:
            await stamp(anchor, server.url)
        assert "\n" not in str(told.value)
        server.answers = granted
        assert [each.name for each in anchor.parent.iterdir()] == [anchor.name]
        assert await stamp(anchor, server.url) is not None


async def test_a_server_that_is_away_or_silent_is_told_without_its_password(anchor: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(StorageError, match=f"server 127.0.0.1:{port} can't be reached"):
            await stamp(anchor, f"http://someone:secret@127.0.0.1:{port}/")
        silent.listen()
        with pytest.raises(StorageError, match=f"server 127.0.0.1:{port} did not answer within 0.05 s"):
            await stamp(anchor, f"http://127.0.0.1:{port}/", patience=0.05)


async def test_what_is_missing_is_named(anchor: Path, root: Path) -> None:
    with pytest.raises(StorageError, match="tsr can't be read"):
        verify_stamp(anchor, root)
    async with TimeStampServer.running() as server:
        with pytest.raises(StorageError, match="can't be read"):
            await stamp(anchor.with_name("none.jsonl"), server.url)
        await asyncio.to_thread(anchor.with_suffix(".tsr").mkdir)
        with pytest.raises(StorageError, match="can't be written"):
            await stamp(anchor, server.url)
        anchor.with_suffix(".tsr").rmdir()
        await stamp(anchor, server.url)
    with pytest.raises(StorageError, match="has no certificate"):
        verify_stamp(anchor, anchor)
