"""The client that a process has: its connections, and how many requests run at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from agent_server.http_client import loading
from agent_server.http_client.addresses import check_headers, host_of, is_loopback
from agent_server.http_client.deadlines import Deadlines
from agent_server.http_client.failures import AnswerUnreadable, ConnectionFailed, StatusRefused

if TYPE_CHECKING:
    import ssl
    from types import ModuleType

    from agent_server.http_client.answer import Answer

MAX_REQUESTS: Final = 256
"""At once; whoever comes later waits."""

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024

_KEPT_CONNECTIONS: Final = 8
_KEPT_S: Final = 30.0


class HttpClient:
    """Sends requests to HTTP servers. To be used in one event loop, and closed there with `aclose`.

    At most ``limit`` requests run at once. The limit stands in front of httpx: a request that is cancelled while it
    waits for a connection inside of httpx 0.28 leaves a dead one behind for ever.
    """

    def __init__(self, limit: int = MAX_REQUESTS) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._clients: dict[tuple[bool, bool, bool], Any] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def warm_up(self, modules: Sequence[str] = (), *, plain: bool = False) -> None:
        """Begin to load what requests need, and ``modules``, in threads. Again: nothing happens.

        ``plain``: nothing that only TLS needs.
        """
        loading.begin(modules, tls=not plain)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        deadlines: Deadlines | None = None,
        local: bool = False,
        fresh: bool = False,
        limit_bytes: int = MAX_ANSWER_BYTES,
    ) -> AsyncIterator[Answer]:
        """Send a request; the context is entered when the head of the answer is there.

        ``local``: the server is this machine's own, so there is no proxy, and no connection is kept (also where the
        URL says so). ``fresh``: by a connection of its own. The connection closes with the context, or is kept if
        the answer was read to its end, or nearly.

        Raises:
            HttpFailure: there is no answer, or it points elsewhere. Redirects are never followed.
        """
        host = host_of(url)
        check_headers(headers or {}, host)
        http = await loading.loaded()
        from agent_server.http_client.answer import Answer

        local = local or is_loopback(url)
        kept = not (fresh or local)
        plain = local and url.startswith("http:")
        tls = None if plain else await loading.tls_context()
        client = self._client(http, tls, local=local, kept=kept, host=host)
        answer = Answer(http, url, deadlines or Deadlines(), limit_bytes)

        async def send(trace: Any) -> Any:
            request = client.build_request(method, url, headers=headers, content=body, extensions={"trace": trace})
            return await client.send(request, stream=True, follow_redirects=False)

        await self._slots.acquire()
        try:
            await answer.begin(send, self._tasks)
        except BaseException:
            self._slots.release()
            raise
        understood = False
        try:
            answer.check_direction()
            yield answer
            understood = True
        finally:
            await self._close(answer, kept=kept and understood)

    async def get_json(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 10.0,
        limit_bytes: int = 16 * 1024 * 1024,
        local: bool = False,
        body: bytes | None = None,
    ) -> Any:
        """The JSON value that a server gives for this URL; with ``body`` it is posted.

        Raises:
            HttpFailure: there is none in time.
            StatusRefused: the answer has another status than 200.
        """
        import orjson

        sent = {"accept": "application/json", **({"content-type": "application/json"} if body is not None else {})}
        sent.update(headers or {})
        deadlines = Deadlines.within(timeout_s)
        method = "GET" if body is None else "POST"
        async with self.open(method, url, headers=sent, body=body, deadlines=deadlines, local=local) as answer:
            if answer.status != 200:
                raise StatusRefused(answer.status, host=answer.host)
            whole = await answer.read(limit_bytes)
        try:
            return orjson.loads(whole)
        except ValueError:
            text = f"the answer of {answer.host} is not JSON"
            raise AnswerUnreadable(text, host=answer.host, phase="body", answered=True) from None

    async def aclose(self) -> None:
        """Give up what is under way and close every connection."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _close(self, answer: Answer, *, kept: bool) -> None:
        """Close it in a task of its own, which nothing disturbs: not even a cancel while it is cleaned up.

        Nobody waits for one whose connection is to be kept: its very end may still come.
        """
        task = asyncio.get_running_loop().create_task(answer.close_behind() if kept else answer.close())
        self._tasks.add(task)
        task.add_done_callback(self._closed)
        if not kept:
            await asyncio.wait((task,))

    def _closed(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled():
            task.exception()  # nobody minds how a connection ended

    def _client(self, http: ModuleType, tls: ssl.SSLContext | None, *, local: bool, kept: bool, host: str) -> Any:
        """One for each way of connecting. Without TLS it is for plain requests to this machine only."""
        which = (local, kept, tls is None)
        client = self._clients.get(which)
        if client is None:
            from http.cookiejar import DefaultCookiePolicy

            limits = http.Limits(
                max_connections=None,
                max_keepalive_connections=_KEPT_CONNECTIONS if kept else 0,
                keepalive_expiry=_KEPT_S,
            )
            headers = {"accept-encoding": "identity", "user-agent": "agent-server"}
            try:
                client = http.AsyncClient(
                    verify=tls or loading.trusting_nobody(),
                    limits=limits,
                    timeout=None,
                    headers=headers,
                    trust_env=not local,
                )
            except (ImportError, ValueError, http.InvalidURL):  # what they say may hold the proxy's password
                text = "the proxy that the environment names cannot be used"
                raise ConnectionFailed(text, host=host, phase="connect", why="proxy") from None
            client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # none is kept, so none is sent
            self._clients[which] = client
        return client
