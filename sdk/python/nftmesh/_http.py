"""A small HTTP/1.1 client on asyncio, for a node's surfaces: one request a connection, answers with
a length or in chunks, event streams, TCP and unix sockets. Everything read is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import re
from types import TracebackType
from typing import AsyncIterator, Dict, List, Optional, Tuple, Type

ANSWER_BYTES_MAX = 64 << 20
LINE_BYTES_MAX = 64 << 10
HEADERS_MAX = 64


class HttpError(Exception):
    """The other end does not speak HTTP as we know it, or too much of it."""


class Deadline:
    """`async with Deadline(seconds)`: asyncio.TimeoutError when its body takes longer.

    asyncio.wait_for() of Python before 3.12 can lose a cancellation that comes while what it waits
    for comes about, and asyncio.timeout() is not there before 3.11."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        self._timer.cancel()
        if not self._expired:
            return
        # Where Python counts, a cancellation by somebody else goes on as one.
        uncancel = getattr(self._task, "uncancel", lambda: 0)
        if uncancel() == 0 and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError from None


class Address:
    """Where a node listens: `http://host:port`, `host:port` or `unix:PATH`."""

    def __init__(self, text: str) -> None:
        self.path: Optional[str] = None
        self.host, self.port = "", 0
        if text.startswith("unix:"):
            path = text[len("unix:"):]
            self.path = path[2:] if path.startswith("///") else path
            if not self.path:
                raise ValueError("unix: needs a path, as in unix:/var/lib/nftmesh/control.sock")
            self.text = "unix:" + self.path
            return
        rest = text[len("http://"):] if text.startswith("http://") else text
        host, colon, port = rest.rstrip("/").rpartition(":")
        if "://" in rest or not colon or not host or not port.isascii() or not port.isdigit():
            raise ValueError(f"{text!r} is not http://HOST:PORT, HOST:PORT or unix:PATH")
        self.host, self.port = host.strip("[]"), int(port)
        if not 0 < self.port < 65536 or any(c in "/@? " for c in host):
            raise ValueError(f"{text!r} is not http://HOST:PORT, HOST:PORT or unix:PATH")
        self.text = f"http://{host}:{self.port}"

    @property
    def host_header(self) -> str:
        return "localhost" if self.path is not None else self.text[len("http://"):]

    async def connect(self) -> Tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path, limit=LINE_BYTES_MAX)
        return await asyncio.open_connection(self.host, self.port, limit=LINE_BYTES_MAX)


class Answer:
    """Status and headers of an answer; its body is read by read() or chunks(), once."""

    def __init__(self, reader: asyncio.StreamReader, status: int, headers: Dict[str, str]) -> None:
        self._reader, self.status, self.headers = reader, status, headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, piece by piece as it comes."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            while True:
                size = _number((await _line(self._reader)).split(";")[0].strip(), 16)
                if size == 0:
                    return
                yield await self._reader.readexactly(size)
                await self._reader.readexactly(2)
        left = _number(self.headers.get("content-length", str(ANSWER_BYTES_MAX)), 10)
        while left > 0:
            data = await self._reader.read(min(left, LINE_BYTES_MAX))
            if not data:
                if "content-length" in self.headers:
                    raise HttpError("the answer ends before its length")
                return
            left -= len(data)
            yield data

    async def read(self) -> bytes:
        """The whole body."""
        body = bytearray()
        async for data in self.chunks():
            body += data
            if len(body) > ANSWER_BYTES_MAX:
                raise HttpError("the answer is too large")
        return bytes(body)

    async def lines(self) -> AsyncIterator[str]:
        """The body line by line: what an event stream is made of."""
        rest = b""
        async for data in self.chunks():
            *whole, rest = (rest + data).split(b"\n")
            if len(rest) > LINE_BYTES_MAX:
                raise HttpError("a line of the answer is too long")
            for line in whole:
                yield line.decode("utf-8", "replace").rstrip("\r")


def _number(text: str, base: int) -> int:
    """Digits alone: int() would also take signs, blanks and underscores."""
    digits = "0123456789abcdefABCDEF"[:22 if base == 16 else 10]
    if not text or len(text) > 12 or any(c not in digits for c in text):
        raise HttpError("the answer's length is not a number")
    value = int(text, base)
    if value > ANSWER_BYTES_MAX:
        raise HttpError("the answer is too large")
    return value


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        raw = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise HttpError("a line of the answer is too long") from None
    return raw.decode("latin-1").rstrip("\r\n")


async def _head(reader: asyncio.StreamReader) -> Answer:
    words = (await _line(reader)).split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not re.fullmatch("[1-5][0-9]{2}",
                                                                                words[1]):
        raise HttpError("the answer is not HTTP")
    status = int(words[1])
    headers: Dict[str, str] = {}
    for _ in range(HEADERS_MAX + 1):
        line = await _line(reader)
        if not line:
            return Answer(reader, status, headers)
        name, colon, value = line.partition(":")
        if not colon:
            raise HttpError("a header of the answer has no colon")
        headers[name.strip().lower()] = value.strip()
    raise HttpError("the answer has too many headers")


@contextlib.asynccontextmanager
async def exchange(address: Address, method: str, path: str, body: Optional[bytes] = None,
                   headers: Optional[Dict[str, str]] = None,
                   timeout_s: float = 10.0) -> AsyncIterator[Answer]:
    """One request; the connection lives as long as the `async with`. timeout_s: for connecting, and
    again for the answer's head."""
    lines: List[str] = [f"{method} {path} HTTP/1.1", f"Host: {address.host_header}",
                        "Connection: close", "Accept: */*"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    async with Deadline(timeout_s):
        reader, writer = await address.connect()
    try:
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        await writer.drain()
        async with Deadline(timeout_s):
            answer = await _head(reader)
        yield answer
    except asyncio.IncompleteReadError:
        raise HttpError("the connection ended in the middle of the answer") from None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def request(address: Address, method: str, path: str, body: Optional[bytes] = None,
                  headers: Optional[Dict[str, str]] = None,
                  timeout_s: float = 10.0) -> Tuple[int, bytes]:
    """One request and its whole answer: (status, body)."""
    async with exchange(address, method, path, body, headers, timeout_s) as answer:
        return answer.status, await answer.read()
