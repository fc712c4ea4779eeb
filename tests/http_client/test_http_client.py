"""Requests end in an answer or in a failure that says what happened, and leave no connection behind."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from agent_server.http_client.client import HttpClient
from agent_server.http_client.deadlines import Deadlines
from agent_server.http_client.failures import (
    AnswerTooLarge,
    AnswerUnreadable,
    BadRequest,
    ConnectionFailed,
    ConnectionLost,
    DeadlinePassed,
    HttpFailure,
    RedirectRefused,
    StatusRefused,
)
from agent_server.http_client.loading import loaded
from tests.agent.scripted_client import in_loop
from tests.providers.fault_server import (
    LAST_CHUNK,
    Line,
    Received,
    chunk,
    fault_server,
    head,
    refuses,
    resets,
    says,
    stalls,
)

JSON = "application/json"


@asynccontextmanager
async def a_client(limit: int = 256) -> AsyncIterator[HttpClient]:
    await loaded()
    client = HttpClient(limit)
    try:
        yield client
    finally:
        await client.aclose()


def sockets() -> int:
    """How many connections this process has open, at either end."""
    return len([one for one in psutil.Process().net_connections("tcp") if one.status != "LISTEN"])


def address(listening: asyncio.Server) -> str:
    return f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def test_the_room_is_imported_without_httpx_and_without_its_weight() -> None:
    program = (
        "import sys, agent_server.http_client.client as it; it.HttpClient();"
        "heavy = {'httpx', 'httpcore', 'anyio', 'certifi', 'orjson', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


LOADED_ELSEWHERE = """
import sys, threading
from agent_server.http_client import loading
from agent_server.http_client.client import HttpClient
imported = {}
def note(event, arguments):
    if event == "import":
        imported.setdefault(arguments[0], []).append(threading.current_thread() is threading.main_thread())
client = HttpClient()
sys.addaudithook(note)
client.warm_up()
first = loading.begin()
client.warm_up()
assert loading.begin() is first
first.result(30)
loading._tls.result(30)
assert imported["httpx"] == [False] and imported["certifi"] == [False], imported
assert "httpcore" in sys.modules and "httpx._main" not in sys.modules and "rich" not in sys.modules
"""


def test_warming_up_twice_loads_once_and_beside_the_event_loop() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED_ELSEWHERE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@in_loop
async def test_an_answer_has_its_status_its_headers_and_its_bytes() -> None:
    play = says(head(201, JSON, X_Thing="a", transfer_encoding="chunked"), chunk(b"one"), chunk(b"two"), LAST_CHUNK)
    async with fault_server(play) as server, a_client() as client:
        async with client.open("POST", server.url + "/p?q=1", headers={"x-mine": "b"}, body=b"sent") as answer:
            assert (answer.status, answer.headers["x-thing"]) == (201, "a")
            assert await answer.read(100) == b"onetwo"
        sent = server.received[0]
        assert (sent.method, sent.path, sent.body, sent.headers["x-mine"]) == ("POST", "/p?q=1", b"sent", "b")
        assert sent.headers["accept-encoding"] == "identity"


@in_loop
async def test_json_is_given_and_posted() -> None:
    async with fault_server(refuses(200, {"a": [1]})) as server, a_client() as client:
        assert await client.get_json(server.url) == {"a": [1]}
        assert await client.get_json(server.url, {"x": "y"}, body=b"{}") == {"a": [1]}
        assert [one.method for one in server.received] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("play", "failure"),
    [
        (refuses(404), StatusRefused),
        (refuses(200, b"<html>"), AnswerUnreadable),
        (refuses(200, b'"' + b"a" * 3000 + b'"'), AnswerTooLarge),
        (refuses(302, location="http://else.example:99/a?key=1"), RedirectRefused),
        (says(b"SSH-2.0-OpenSSH_9\r\n\r\n"), AnswerUnreadable),
        (says(), ConnectionLost),
        (resets(head(200, JSON, content_length="10"), b"{"), ConnectionLost),
        (says(head(200, JSON, content_encoding="br"), b"{}"), AnswerUnreadable),
        (says(head(200, JSON, content_encoding="gzip"), b"no gzip"), AnswerUnreadable),
        (stalls(head(200, JSON)), DeadlinePassed),
        (stalls(), DeadlinePassed),
    ],
)
@in_loop
async def test_what_is_no_json_is_a_failure(play: object, failure: type[HttpFailure]) -> None:
    async with fault_server(play) as server, a_client() as client:  # type: ignore[arg-type]
        with pytest.raises(failure) as raised:
            await client.get_json(server.url + "/path?secret=1", timeout_s=0.3, limit_bytes=2000)
        assert "secret" not in str(raised.value) and "key=1" not in str(raised.value)
        await server.until(lambda it: it.live == 0)
    assert raised.value.host in server.url


@in_loop
async def test_what_does_not_listen_and_what_has_no_such_name_is_told_apart() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with a_client() as client:
            for url, why in ((f"http://127.0.0.1:{port}", "refused"), ("http://no.such.name.invalid", "unknown_host")):
                with pytest.raises(ConnectionFailed) as raised:
                    await client.get_json(url)
                assert raised.value.why == why and raised.value.phase == "connect"


@in_loop
async def test_a_server_that_takes_no_more_connections_costs_the_connect_deadline() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):  # now the queue is full, and the system drops what comes
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with a_client() as client:
            before = sockets()
            began = time.monotonic()
            with pytest.raises(DeadlinePassed) as raised:
                async with client.open("GET", f"http://127.0.0.1:{full.getsockname()[1]}", deadlines=SHORT):
                    pass
            assert (raised.value.deadline, raised.value.phase) == ("connect_s", "connect")
            assert 0.3 <= time.monotonic() - began < 1.0
            await until(lambda: sockets() <= before)


SHORT = Deadlines(connect_s=0.3, first_byte_s=5.0)


@in_loop
async def test_a_server_that_never_says_hello_in_tls_costs_the_connect_deadline_and_no_connection() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()
        gone.set()

    listening = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with a_client() as client, listening:
        began = time.monotonic()
        with pytest.raises(DeadlinePassed) as raised:
            async with client.open("GET", f"https://{address(listening)}", deadlines=SHORT):
                pass
        assert (raised.value.deadline, raised.value.phase) == ("connect_s", "tls")
        assert 0.3 <= time.monotonic() - began < 1.0
        await asyncio.wait_for(gone.wait(), 5)


@in_loop
async def test_a_server_that_has_no_tls_is_told_as_that() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with a_client() as client, listening:
        with pytest.raises(ConnectionFailed) as raised:
            await client.get_json(f"https://{address(listening)}")
        assert raised.value.why == "tls"


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx: y", "a\0b", " a", "a ", "caf\xe9", "\u2028", "a\x7f"])
@in_loop
async def test_a_header_that_could_become_two_is_refused_without_telling_it(value: str) -> None:
    async with fault_server(refuses(200)) as server, a_client() as client:
        with pytest.raises(BadRequest) as raised:
            await client.get_json(server.url, {"x-api-key": value})
        assert server.accepted == 0
    assert str(raised.value) == "the header x-api-key holds characters that no header may hold"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("url", ["", "no url", "ftp://a/b", "http://", "http://a:b:c/", "http://[::1", "//a/b"])
@in_loop
async def test_what_is_no_url_is_refused(url: str) -> None:
    async with a_client() as client:
        with pytest.raises(BadRequest) as raised:
            await client.get_json(url)
    assert raised.value.field == "url"


@in_loop
async def test_a_password_in_a_url_is_told_to_nobody() -> None:
    async with fault_server(refuses(500)) as server, a_client() as client:
        with pytest.raises(StatusRefused) as raised:
            await client.get_json(server.url.replace("127", "me:hidden@127"))
    assert "hidden" not in str(raised.value) and "hidden" not in raised.value.host


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data, wbits=-15)])
@in_loop
async def test_what_is_packed_though_nobody_asked_is_unpacked_within_the_limit(pack: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    packed = pack(b"a" * 1_000_000)
    play = says(head(200, JSON, content_encoding=encoding), packed[:30], packed[30:])
    async with fault_server(play) as server, a_client() as client:
        async with client.open("GET", server.url) as answer:
            assert await answer.read(2_000_000) == b"a" * 1_000_000
        with pytest.raises(AnswerTooLarge):
            async with client.open("GET", server.url, limit_bytes=999_999) as answer:
                await answer.read(2_000_000)


@in_loop
async def test_no_more_requests_run_at_once_than_allowed_and_a_cancelled_one_that_waits_takes_no_place() -> None:
    async with fault_server(stalls(head())) as server, a_client(limit=2) as client:

        async def hold() -> None:
            async with client.open("GET", server.url) as answer:
                await answer.chunk()

        tasks = [asyncio.create_task(hold()) for _ in range(6)]
        await server.until(lambda it: len(it.received) == 2)
        for task in tasks[2:5]:
            task.cancel()
        await asyncio.wait(tasks[2:5])
        tasks[0].cancel()
        await server.until(lambda it: len(it.received) == 3 and it.live == 2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        server.plays[:] = [refuses(200)]
        assert await client.get_json(server.url) == {"error": {"message": "no"}}


def far(url: str) -> str:
    """The server by a name that does not look like this machine, so that its connections are kept."""
    return url.replace("127.0.0.1", "127.1")


KEPT = says(head(200, JSON, content_length="2"), b"{}", kept=True)


@in_loop
async def test_connections_to_other_machines_are_kept_and_those_to_this_one_are_not() -> None:
    async with fault_server(KEPT) as server, a_client() as client:
        for url, connections in ((server.url, 3), (far(server.url), 4)):
            for _ in range(3):
                assert await client.get_json(url) == {}
            assert server.accepted == connections


@in_loop
async def test_a_connection_whose_answer_was_nearly_read_is_kept_too() -> None:
    async def late_end(line: Line, _request: Received) -> bool:
        await line.send(head(transfer_encoding="chunked"), chunk(b"all of it"))
        await asyncio.sleep(0.05)
        await line.send(LAST_CHUNK)
        return True

    async with fault_server(late_end) as server, a_client() as client:
        for _ in range(2):
            async with client.open("GET", far(server.url)) as answer:
                assert await answer.chunk() == b"all of it"
            await asyncio.sleep(0.2)
        assert (len(server.received), server.accepted) == (2, 1)


@in_loop
async def test_a_kept_connection_that_turns_out_dead_is_told_as_stale() -> None:
    async with fault_server(KEPT, resets()) as server, a_client() as client:
        assert await client.get_json(far(server.url)) == {}
        with pytest.raises(ConnectionLost) as raised:
            await client.get_json(far(server.url))
        assert raised.value.stale and not raised.value.answered
        with pytest.raises(ConnectionLost) as raised:
            await client.get_json(far(server.url))
        assert not raised.value.stale  # it was a new one


@in_loop
async def test_redirects_name_only_the_host_that_they_point_to() -> None:
    async with fault_server(refuses(307, location="https://evil.example/x?key=secret")) as server, a_client() as client:
        with pytest.raises(RedirectRefused) as raised:
            await client.get_json(server.url)
    assert raised.value.target == "evil.example" and "secret" not in str(raised.value)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("play", [stalls(), stalls(head()), stalls(head(), b"data: 1\n\n")])
@in_loop
async def test_a_cancel_takes_effect_at_once_and_leaves_no_connection(play: object, twice: bool) -> None:
    async with fault_server(play) as server, a_client() as client:  # type: ignore[arg-type]

        async def hold() -> None:
            async with client.open("GET", server.url) as answer:
                while await answer.chunk():
                    pass

        for round_ in range(5):
            task = asyncio.create_task(hold())
            await server.until(lambda it, n=round_: len(it.received) > n)  # type: ignore[misc]
            await asyncio.sleep(0.01)
            began = time.monotonic()
            task.cancel()
            if twice:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled() and time.monotonic() - began < 0.1
        await server.until(lambda it: it.live == 0)


@in_loop
async def test_a_client_that_is_closed_gives_up_what_is_under_way() -> None:
    async with fault_server(stalls()) as server:
        async with a_client() as client:
            task = asyncio.create_task(client.get_json(server.url))
            await server.until(lambda it: len(it.received) == 1)
        with pytest.raises(HttpFailure):
            await task
        await server.until(lambda it: it.live == 0)


@in_loop
async def test_other_machines_are_asked_through_the_proxy_that_the_environment_names_and_this_one_is_not() -> None:
    async with (
        fault_server(refuses(200, {"by": "proxy"})) as proxy,
        fault_server(refuses(200, {"by": "itself"})) as here,
    ):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("HTTP_PROXY", proxy.url)
            environment.setenv("http_proxy", proxy.url)
            async with a_client() as client:
                assert await client.get_json("http://models.invalid/v1/x") == {"by": "proxy"}
                assert await client.get_json(here.url) == {"by": "itself"}
        assert [one.path for one in proxy.received] == ["http://models.invalid/v1/x"]


@in_loop
async def test_a_proxy_that_cannot_be_used_is_told_as_that() -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ALL_PROXY", "socks5://me:hidden@127.0.0.1:1")
        environment.setenv("all_proxy", "socks5://me:hidden@127.0.0.1:1")
        async with a_client() as client:
            with pytest.raises(ConnectionFailed) as raised:
                await client.get_json("http://models.invalid/")
    assert raised.value.why == "proxy" and "hidden" not in str(raised.value)


ASK = """
import asyncio, sys
from agent_server.http_client.client import HttpClient
from agent_server.http_client.failures import ConnectionFailed
async def main():
    client = HttpClient()
    try:
        print(await client.get_json(sys.argv[1], local=True))
    except ConnectionFailed as failure:
        print(failure.why, failure)
    await client.aclose()
asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate with")
@in_loop
async def test_only_certificates_that_are_trusted_are_believed(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=30)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head(200, JSON, content_length="2") + b"{}")
        await writer.drain()
        writer.close()

    async def asked(**variables: str) -> str:
        url = f"https://localhost:{address(listening).rpartition(':')[2]}/"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASK, url, stdout=subprocess.PIPE, env=environment
        )
        told, _ = await process.communicate()
        return told.decode().strip()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        refused = await asked()
        assert refused.startswith("tls the certificate of localhost:") and "is not trusted" in refused
        assert await asked(SSL_CERT_FILE=str(certificate)) == "{}"
