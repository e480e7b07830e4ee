"""The shop: signs sales and posts them, one or many at once."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import subprocess
import threading
from collections import Counter
from pathlib import Path

from .places import MAIN, NODE
from .servers import until

COURSE = "course-v1:edX+DemoX+Demo_Course"


def send(folder: Path, url: str, secret: str, email: str) -> str:
    """Sells with the command `send`, and gives what it prints."""
    command = [NODE, MAIN, "send", "--url", url, "--email", email, "--course", COURSE]
    environment = {"PATH": os.environ["PATH"], "LERNITO_WEBHOOK_SECRET": secret}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout


def signed(secret: str, email: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a sale, as the shop posts it."""
    sale = {"email": email, "name": "New", "family": "Comer", "username": "newcomer", "courseIds": [COURSE]}
    body = json.dumps(sale, sort_keys=True, separators=(",", ":")).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return body, {"Host": "localhost", "Content-Type": "application/json", "X-Lernito-Signature": signature}


class Rush:
    """
    Many senders at once, each over its own connection and without a pause, until the end of the `with` or until one of
    them gets another answer than 200. Half of them send to the address of the Django plugin.
    """

    def __init__(self, port: int, secret: str, senders: int = 12):
        self._port = port
        self._secret = secret
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(senders)]
        self.answers: Counter[str] = Counter()
        self.sold: set[str] = set()

    def __enter__(self) -> Rush:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, count: int) -> None:
        """Waits for so many more sales."""
        enough = len(self.sold) + count
        until(f"{count} more sales", lambda: len(self.sold) >= enough or self._over.is_set())

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        path = "/api/lernito/webhook/" if number % 2 else "/lernito/webhook/"
        count = 0
        while not self._over.is_set():
            count += 1
            email = f"buyer-{number}-{count}@example.com"
            try:
                connection.request("POST", path, *signed(self._secret, email))
                response = connection.getresponse()
                response.read()
                answer = str(response.status)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                answer = type(error).__name__
            with self._lock:
                self.answers[answer] += 1
                self.sold.add(email)
            if answer != "200":
                self._over.set()
