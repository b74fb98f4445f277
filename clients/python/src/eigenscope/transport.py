"""HTTP to one server: requests with the token, errors as exceptions, streams of events."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from .errors import ApiError, Busy, ServerUnreachable, api_error

PIECE = 1 << 20
"""Bytes that are sent or received at once."""


@dataclass(frozen=True)
class Address:
    """Where a server is: ``Address.parse`` takes what ``eigenscope serve`` prints."""

    scheme: str
    host: str
    port: int
    path: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Reads ``http://127.0.0.1:8080/?token=…``; the token may be missing.

        Raises
        ------
        ValueError
            When it is no address of http or https.
        """
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a server; it looks like http://127.0.0.1:8080/?token=…")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        token = parse_qs(parts.query).get("token", [None])[0]
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), token)

    @property
    def origin(self) -> str:
        """The address without its token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytearray

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Transport:
    """Requests to one server. Each has a connection of its own, so that threads may share a transport."""

    def __init__(
        self, address: Address, token: str | None, *, timeout_secs: float = 60.0, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.address = address
        self.timeout_secs = timeout_secs
        self._token = token
        self._ssl = ssl_context

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | Iterable[Any] | None = None,
        length: int | None = None,
        content_type: str | None = None,
        accept: str | None = None,
    ) -> Answer:
        """Sends a request and reads the whole answer.

        Raises
        ------
        ApiError
            For every status from 400 on.
        ServerUnreachable
            When nobody answers.
        """
        headers = {"Accept": accept} if accept else {}
        if content_type:
            headers["Content-Type"] = content_type
        if length is not None:
            headers["Content-Length"] = str(length)
        with self._open(method, path, query, body, headers, self.timeout_secs) as response:
            return Answer(response.status, _lower(response), self._read(response))

    def json(self, method: str, path: str, value: Any = None, *, query: Mapping[str, str] | None = None) -> Any:
        """Sends and receives JSON."""
        body = None if value is None else json.dumps(value, allow_nan=False).encode()
        answer = self.request(method, path, query=query, body=body, content_type="application/json" if body else None)
        return answer.json() if answer.body else None

    def events(self, last_id: int | None, silence_secs: float) -> EventStream:
        """Opens the stream of events; with ``last_id`` it begins after that event.

        Raises
        ------
        ApiError
            When the server refuses.
        ServerUnreachable
            When nobody answers.
        """
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        return EventStream(self._open("GET", "/api/v1/events", None, None, headers, silence_secs))

    def _open(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, headers: dict[str, str], timeout_secs: float
    ) -> _Response:
        address = self.address
        target = quote(address.path + path) + (f"?{urlencode(query)}" if query else "")
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        headers["Connection"] = "close"
        if address.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                address.host, address.port, timeout=timeout_secs, context=self._ssl
            )
        else:
            connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_secs)
        try:
            try:
                connection.request(method, target, body=body, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                # A server that refuses an upload answers before it has read all of it.
                pass
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ServerUnreachable(f"no answer from {address.origin}: {_words(error)}") from error
        except BaseException:
            connection.close()
            raise
        opened = _Response(connection, response)
        if response.status >= 400:
            with opened:
                raise self._refusal(response)
        return opened

    def _refusal(self, response: http.client.HTTPResponse) -> ApiError:
        body = self._read(response)
        try:
            said = json.loads(body)
            if not isinstance(said, dict):
                raise ValueError
        except ValueError:
            said = {
                "code": "internal",
                "message": f"{self.address.origin} answered {response.status} {response.reason}; is it an Eigenscope server?",
            }
        error = api_error(said, status=response.status)
        if isinstance(error, Busy):
            try:
                error.retry_after_secs = float(response.headers.get("Retry-After", "5"))
            except ValueError:
                pass
        return error

    def _read(self, response: http.client.HTTPResponse) -> bytearray:
        try:
            if response.length is None:
                return bytearray(response.read())
            # In place: results may be large.
            out = bytearray(response.length)
            view, at = memoryview(out), 0
            while at < len(out):
                n = response.readinto(view[at : at + PIECE])
                if not n:
                    raise http.client.IncompleteRead(bytes(view[:at]), len(out) - at)
                at += n
            return out
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(f"the answer of {self.address.origin} broke off: {_words(error)}") from error


class _Response:
    """A response that closes its connection."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self.response = response

    def __enter__(self) -> http.client.HTTPResponse:
        return self.response

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.response.close()
        self._connection.close()


@dataclass(frozen=True)
class Event:
    """A server-sent event; the first of a stream has an id and no data."""

    id: int | None
    data: dict[str, Any] | None


class EventStream:
    """Server-sent events of one connection. It ends when the server closes it; what breaks it is an ``OSError`` or ``HTTPException``."""

    def __init__(self, opened: _Response) -> None:
        self._opened = opened

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __iter__(self) -> Iterator[Event]:
        id_: int | None = None
        data: list[str] = []
        seen_id = False
        for raw in self._opened.response:
            line = raw.decode().rstrip("\r\n")
            if not line:
                if data or seen_id:
                    yield Event(id_, json.loads("\n".join(data)) if data else None)
                data, seen_id = [], False
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "id" and value.isdigit():
                id_, seen_id = int(value), True


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
