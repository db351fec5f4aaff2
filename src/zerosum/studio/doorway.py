"""Who may speak to the studio: pages of its own only; and what its pages may load: nothing from elsewhere.

Without it any web page that its user visits could start a training: browsers send requests to 127.0.0.1 for everybody.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "frame-ancestors 'self'; base-uri 'self'; form-action 'self'"
)
"""Content security policy."""
HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


def is_local(host: str) -> bool:
    """Whether a host is this machine's own, reachable from it alone."""
    return host in LOCAL


def hostname(authority: str) -> str:
    """The host of `host:port`."""
    return urlsplit(f"//{authority}").hostname or ""


def refusal(headers: dict[str, str], local: bool) -> str | None:
    """Why a request is refused, from its headers; None: it is not."""
    host, origin = headers.get("host", ""), headers.get("origin")
    if local and not is_local(hostname(host)):
        return f"this studio is for http://127.0.0.1 and http://localhost only, not for {host}"
    if origin is not None and urlsplit(origin).netloc != host and headers.get("x-forwarded-host") != urlsplit(origin).netloc:
        return f"pages of {origin} may not use this studio"
    return None


class Doorway:
    """ASGI middleware that refuses requests of others' pages and says what the studio's may load.

    Args:
        local: the studio is bound to this machine's own address, so no other name may lead to it (DNS rebinding).
    """

    def __init__(self, app: App, local: bool) -> None:
        self.app, self.local = app, local

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if reason := refusal(headers, self.local):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": reason.encode()})
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        await self.app(scope, receive, send_with_policy)
