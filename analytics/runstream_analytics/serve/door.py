"""Who may come in: checked before anything of a request is read."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from runstream_analytics.serve.answer import Refused
from runstream_analytics.serve.request import Headers, credentials


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Door:
    """What a request must bring along."""

    token: str
    """The password of every user; empty: nobody is asked."""
    only_local_names: bool
    """The server listens on this machine alone, so nobody calls it by another name."""

    def check_place(self, headers: Headers) -> None:
        """Raises Refused for a request that a web page had a browser send.

        A page can make its own name point to 127.0.0.1, and can send a form to any address.
        """
        host = headers.get("Host") or ""
        name = urlsplit(f"//{host}").hostname or ""
        if self.only_local_names and host and not is_loopback(name):
            raise Refused(
                516,
                f"This server is only for this machine, and not called {name}; use 127.0.0.1",
                "AUTHENTICATION_FAILED",
            )
        origin = headers.get("Origin")
        if origin and urlsplit(origin).netloc != host:
            raise Refused(516, "Web pages of other origins may not ask here", "AUTHENTICATION_FAILED")

    def check_token(self, fields: Mapping[str, str], headers: Headers) -> None:
        """Raises Refused for a missing or wrong token."""
        if not self.token:
            return
        user, password = credentials(fields, headers)
        if not hmac.compare_digest(password.encode(), self.token.encode()):
            why = (
                "password is incorrect" if password else "the password is missing; it is the token of `runstream serve`"
            )
            raise Refused(516, f"{user}: Authentication failed: {why}", "AUTHENTICATION_FAILED")
