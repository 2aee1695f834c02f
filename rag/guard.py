"""What stands between the server and everyone: who may use the page, and ASGI middleware that keeps it to this server.

A login is that of HTTP (Basic, RFC 7617): a browser asks for it by itself and so loads no page for it, and all that is
served stands behind it, tools of an MCP server too.
"""
from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import os
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from rag.errors import SanadError
from rag.log import log

BODY = 23_000_000
"""Bytes a request may bring: an upload of the largest file that is read, and what a browser adds to it."""
ROOM, FILE, LEFT = 200_000_000, 100_000, 600
"""Bytes that uploads may take on disk, the least that one counts for, and seconds after which one that nobody read goes."""
TRIES, MINUTE, ADDRESSES = 10, 60, 10_000
"""Wrong logins that an address may try in so many seconds, and how many addresses are remembered."""
SHORT = 8
"""A password of fewer characters is refused: at TRIES a MINUTE it could be found."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a browser may load and send: with this server alone. Gradio's own front end needs inline scripts and eval."""
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
PRIVATE = {b"cache-control": b"no-store"}
LOGIN = {b"www-authenticate": b'Basic realm="Sanad", charset="UTF-8"'}

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]


@dataclass(frozen=True)
class Access:
    """Where the page is served and who may use it. `logins` are SHA-256 of USER:PASSWORD: see `read_logins`.

    Raises SanadError where others than this machine could use it and nothing says that they may.

    >>> str(Access()), str(Access("0.0.0.0", everyone=True))
    ('this machine alone', 'everyone who can reach it, without a login')
    """

    host: str = "127.0.0.1"
    logins: tuple[bytes, ...] = field(default=(), repr=False)
    everyone: bool = False

    def __post_init__(self) -> None:
        if self.everyone and self.logins:
            raise SanadError("--auth asks for a login and --no-auth for none. Give one of them.")
        if not (self.local or self.logins or self.everyone):
            raise SanadError(
                f"At {self.host} others than this machine could use the page. Say who may: --auth FILE, with a line "
                "USER:PASSWORD for each, or --no-auth for everyone who can reach it."
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name: whose, is not ours to say
            return False

    def admits(self, authorization: bytes) -> bool:
        """Whether the header is that of a login; as long for every one, known or not.

        >>> Access(logins=(hashlib.sha256(b"ada:lovelace").digest(),)).admits(b"Basic " + base64.b64encode(b"ada:lovelace"))
        True
        """
        scheme, _, given = authorization.partition(b" ")
        try:
            digest = hashlib.sha256(base64.b64decode(given.strip(), validate=True)).digest()
        except binascii.Error:
            return False
        return any([hmac.compare_digest(digest, login) for login in self.logins]) and scheme.lower() == b"basic"

    def __str__(self) -> str:
        whom = "this machine alone" if self.local else "everyone who can reach it"
        if self.logins:
            return f"{whom}, with one of {len(self.logins)} logins"
        return whom if self.local else f"{whom}, without a login"


def read_logins(file: Path) -> tuple[bytes, ...]:
    """SHA-256 of each line USER:PASSWORD of a file. Raises SanadError, which names no password, when it is not such a file."""
    try:
        lines = file.read_text("utf-8-sig").split("\n")
        others = os.name == "posix" and file.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as exc:
        raise SanadError(f"Can't read the logins in {file}: {getattr(exc, 'strerror', None) or 'not UTF-8'}.") from exc
    logins = {}
    for number, line in enumerate(lines, 1):
        user, colon, password = line.partition(":")
        if not line.strip():
            continue
        if not (user and colon) or user in logins:
            raise SanadError(f"Line {number} of {file} is not USER:PASSWORD of one more user. Write one a line.")
        if len(password) < SHORT:
            raise SanadError(f"The password in line {number} of {file} has fewer than {SHORT} characters. Give a longer one.")
        logins[user] = hashlib.sha256(line.encode()).digest()
    if not logins:
        raise SanadError(f"{file} holds no login. Write a line USER:PASSWORD for each user.")
    if others:
        log.warning("%s can be read by other users of this machine. Run: chmod 600 %s", file, file)
    return tuple(logins.values())


class Guard:
    """ASGI middleware: lets in whom `access` admits; the page may load and send nothing elsewhere, names no other host,
    and serves no file. Requests that a web page elsewhere makes are refused, and those that bring too much.

    GET /health answers everyone with what `health` gives: {"status": "ok" | "loading" | "failed", …}. `uploads` is the
    folder that uploads lie in until they are read.
    """

    HIDDEN = re.compile("/gradio_api/((file|proxy|stream)[=/]|process_recording|deep_link|vibe-|dev/)")
    OPEN = "/gradio_api/startup-events"  # Gradio calls it when it starts; it says true or false
    STATIC = re.compile("/(assets|static|favicon|theme)")
    ELSEWHERE = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>|https://github\.com/gradio-app/[^"]*')

    def __init__(self, app: Any, *, access: Access, health: Callable[[], dict[str, Any]], uploads: Path) -> None:
        self.app, self._access, self._health, self._uploads = app, access, health, uploads
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._coming = 0

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close"})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        if scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
            found = self._health()
            status = HTTPStatus.OK if found["status"] == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
            return await _reply(send, status, json.dumps(found), {b"content-type": b"application/json"})
        if refused := self._refused(scope, headers):
            return await _reply(send, *refused)
        size = int(headers.get(b"content-length", b"0")) if scope["path"].startswith("/gradio_api/upload") else 0
        if size and not self._room(size):
            return await _reply(send, HTTPStatus.INSUFFICIENT_STORAGE, "Too many files are being added. Try again later.")
        self._coming += size
        try:
            await self._pass(scope, receive, send)
        finally:
            self._coming -= size

    async def _pass(self, scope: Scope, receive: Any, send: Send) -> None:
        if self.HIDDEN.match(scope["path"]):
            scope = {**scope, "path": "/404", "raw_path": b"/404"}
        index, ours, start = scope["path"] == "/", HEADERS, dict[str, Any]()
        if not self.STATIC.match(scope["path"]):
            ours = HEADERS | PRIVATE

        async def guarded(message: Scope) -> None:
            if message["type"] == "http.response.start":
                theirs = [(name, value) for name, value in message["headers"] if name not in ours]
                start.update(message, headers=[*theirs, *ours.items()])
                if not index:
                    await send(start)
            elif index:
                body = self.ELSEWHERE.sub(b"", message["body"])
                kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
                await send({**message, "body": body})
            else:
                await send(message)

        try:
            await self.app(scope, receive, guarded)
        except Exception:
            if not start:
                await _reply(send, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong; the server's log says what.")
            raise

    def _refused(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Any, ...] | None:
        """The answer to a request that is not let through, or None."""
        if _from_elsewhere(scope["method"], headers):
            return HTTPStatus.FORBIDDEN, "This comes from a web page elsewhere. Open the page of this server itself."
        if self._access.logins and scope["path"] != self.OPEN and (refused := self._unknown(scope, headers)):
            return refused
        if b"transfer-encoding" in headers:
            return HTTPStatus.LENGTH_REQUIRED, "Say how long the request is, in Content-Length."
        if int(headers.get(b"content-length", b"0")) > BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {BODY:,} bytes are taken."
        return None

    def _unknown(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[Any, ...] | None:
        """The answer to a request without a login, or None. Past some wrong ones not even the right one is looked at for a
        minute: who guesses is not told that it was."""
        address, now = _network(scope), time.monotonic()
        failed, since = self._failed.get(address, (0, now))
        if now - since >= MINUTE:
            failed, since = 0, now
        if failed >= TRIES:
            return HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong logins. Wait a minute.", {b"retry-after": b"%d" % MINUTE}
        given = headers.get(b"authorization")
        if given and self._access.admits(given):
            return None
        if given:
            self._failed[address] = failed + 1, since
            self._failed.move_to_end(address)
            while len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)
            if failed + 1 == TRIES:
                log.warning("%d wrong logins from %s: it is refused for a minute", TRIES, address)
        return HTTPStatus.UNAUTHORIZED, "Log in to use this page.", LOGIN

    def _room(self, size: int) -> bool:
        """Whether uploads have room for so many bytes more, when those that nobody read are gone."""
        taken, now = self._coming, time.time()
        for file in (one for one in self._uploads.rglob("*") if one.is_file()):
            try:
                stat = file.stat()
                if now - stat.st_mtime > LEFT:
                    file.unlink()
                else:
                    taken += max(stat.st_size, FILE)
            except OSError:
                pass  # read, and so deleted, meanwhile
        return taken + size <= ROOM


async def _reply(send: Send, status: HTTPStatus, text: str, more: dict[bytes, bytes] | None = None) -> None:
    body = text.encode()
    headers = {b"content-type": b"text/plain; charset=utf-8", b"content-length": b"%d" % len(body), **HEADERS, **PRIVATE}
    await send({"type": "http.response.start", "status": status.value, "headers": [*(headers | (more or {})).items()]})
    await send({"type": "http.response.body", "body": body})


def _from_elsewhere(method: str, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that another page makes this request, other than by a link. A program says nothing of it.

    Browsers send Sec-Fetch-Site where they trust the address (HTTPS, this machine); elsewhere Origin must do.

    >>> _from_elsewhere("POST", {b"origin": b"http://a.example", b"host": b"127.0.0.1:7860"})
    True
    """
    if site := headers.get(b"sec-fetch-site"):
        link = method in ("GET", "HEAD") and headers.get(b"sec-fetch-mode") == b"navigate"
        return site not in (b"same-origin", b"none") and not link
    return b"origin" in headers and headers[b"origin"].partition(b"://")[2] != headers.get(b"host")


def _network(scope: Scope) -> str:
    """Who asks: the address, or of an IPv6 one the network, since one machine has all of its addresses."""
    host = scope["client"][0] if scope.get("client") else ""
    return str(ipaddress.ip_network(f"{host}/64", strict=False)) if ":" in host and "%" not in host else str(host)
