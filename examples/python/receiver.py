#!/usr/bin/env python3
"""Receives the events of lernito-openedx, and keeps the newest of each delivery.

Run it, and give the service its address and the secret in LERNITO_EVENTS_URL and
LERNITO_EVENTS_SECRET. The sandbox has an option: --events http://127.0.0.1:8792/
"""

import base64
import hmac
import http.server
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Mapping

# While the operator changes the secret: both, with a space between them.
SECRETS = os.environ.get(
    "LERNITO_EVENTS_SECRET", "whsec_bGVybml0by1zYW5kYm94LWV2ZW50cy1zZWNyZXQ="
).split()
KEYS = [base64.b64decode(secret.removeprefix("whsec_")) for secret in SECRETS]
KEY_MIN = 24  # who sets no more than whsec_ would accept what anybody has signed
PORT = int(os.environ.get("PORT", "8792"))
STATES = Path(os.environ.get("LERNITO_STATES", "lernito-states"))

BODY_MAX = 1024 * 1024
LOCK = threading.Lock()


def is_valid(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the service signed these bytes within the last five minutes."""
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    given = headers.get("webhook-signature", "").encode().split(b" ")
    for key in KEYS:
        expected = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
        if any(hmac.compare_digest(expected, one) for one in given):
            return True
    return False


def store(event: dict) -> bool:
    """Keeps an event. False: the shop has it, or a later one of the same delivery."""
    file = STATES / f"{event['data']['id']}.json"
    with LOCK:
        if file.exists() and json.loads(file.read_text())["sequence"] >= event["sequence"]:
            return False
        new = file.with_suffix(".new")
        with new.open("w") as stream:
            json.dump(event, stream)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    return True


def handle(event: dict) -> None:
    """What takes longer: update the order, mail the buyer. Do it from what is stored, to survive a crash."""
    data = event["data"]
    print(event["type"], data["id"], data["state"], flush=True)


class Endpoint(http.server.BaseHTTPRequestHandler):
    timeout = 15

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_MAX:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not is_valid(self.headers, body):
            return self.answer(401)
        event = json.loads(body)
        # Other types are about courses and learners, and later versions may add some.
        if not event["type"].startswith("delivery."):
            return self.answer(204)
        is_news = store(event)
        self.answer(204)
        if is_news:
            handle(event)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()


if __name__ == "__main__":
    if any(len(key) < KEY_MIN for key in KEYS):
        sys.exit(f"LERNITO_EVENTS_SECRET must be whsec_ and at least {KEY_MIN} bytes in base64")
    STATES.mkdir(mode=0o700, parents=True, exist_ok=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Endpoint).serve_forever()
