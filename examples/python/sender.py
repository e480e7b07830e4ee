#!/usr/bin/env python3
"""Sends a shop's sales and refunds to lernito-openedx, and asks for their results.

    sender.py sell   ORDER EMAIL NAME FAMILY COURSE...   sell courses to a buyer
    sender.py refund ORDER EMAIL NAME FAMILY COURSE...   take the buyer out of them
    sender.py resume                                     send what is in the queue
    sender.py status DELIVERY...                         print the state of sales

ORDER is the shop's number of the order. The same command again is a repeat, which
does no harm. A corrected sale is another one, so it needs another number. A refund
of other courses of the order is another refund.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import sys
import time
import uuid
from pathlib import Path
from typing import Mapping, NamedTuple
from urllib.parse import urlsplit

SERVICE = urlsplit(os.environ.get("LERNITO_URL", "http://127.0.0.1:8790").rstrip("/"))
SECRET = os.environ.get("LERNITO_WEBHOOK_SECRET", "lernito-sandbox-secret")
QUEUE = Path(os.environ.get("LERNITO_QUEUE", "lernito-queue"))

SALE_PATH = "/api/lernito/webhook/"
REFUND_PATH = "/api/lernito/refund/"
STATUS_PATH = "/api/lernito/status/"

# Nobody knows whether a request with one of these answers was stored, unless it is accepted.
SEND_AGAIN = {0, 200, 202, 408, 429}
# Seconds between the attempts, unless the answer has a Retry-After: about a day in all.
WAITS = [30, 120, 600] + 23 * [3600]


class Answer(NamedTuple):
    status: int  # 0: there was none
    headers: Mapping[str, str]
    text: str

    @property
    def success(self) -> object:
        """What the service says. The page of a proxy says nothing."""
        try:
            return json.loads(self.text)["success"]
        except (ValueError, TypeError, KeyError):
            return None


# region sign
def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
# endregion


def post(path: str, webhook_id: str, body: bytes) -> Answer:
    """Signs a request with the time of now, and sends it once."""
    now = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(SECRET, webhook_id, now, body),
    }
    https = SERVICE.scheme == "https"
    connect = http.client.HTTPSConnection if https else http.client.HTTPConnection
    connection = connect(SERVICE.netloc, timeout=15)  # it follows no redirect
    try:
        connection.request("POST", SERVICE.path + path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode(errors="replace"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answer(0, {}, repr(error))
    finally:
        connection.close()


# region deliver
def deliver(file: Path) -> bool:
    """Sends a request of the queue until the service has it. False: a person has to look at it."""
    try:
        job = json.loads(file.read_text())
    except FileNotFoundError:
        return True  # another process has delivered it
    for wait in [*WAITS, None]:
        answer = post(job["path"], job["id"], job["body"].encode())
        delivery = answer.headers.get("X-Lernito-Delivery")  # store it with the order
        print(f"{job['id']}: {answer.status} {answer.text} delivery={delivery}", flush=True)
        if is_accepted(job["path"], answer, delivery):
            file.unlink(missing_ok=True)
            return True
        if wait is None or not is_unknown(answer, delivery):
            break
        retry_after = answer.headers.get("Retry-After", "")
        seconds = min(int(retry_after), 3600) if retry_after.isdecimal() else wait
        print(f"{job['id']} is sent again in {seconds} seconds", flush=True)
        time.sleep(seconds)
    print(f"{job['id']} stays in the queue: tell a person", file=sys.stderr)
    return False


def is_accepted(path: str, answer: Answer, delivery: str | None) -> bool:
    """After a 500 with a delivery, the sale is stored, and the service enrolls the buyer later. A refund needs a 200."""
    of_service = delivery is not None or (answer.success is True and answer.status != 500)
    return of_service and (answer.status == 200 or (path == SALE_PATH and answer.status in (202, 500)))


def is_unknown(answer: Answer, delivery: str | None) -> bool:
    """Without a delivery, a 500 may be of a proxy, as a 403 without the service's JSON is."""
    if answer.status == 403:
        return answer.success is not False
    if answer.status == 500:
        return delivery is None
    return answer.status in SEND_AGAIN or answer.status > 500
# endregion


def enqueue(path: str, webhook_id: str, payload: dict) -> Path:
    """Stores a request before it is sent, so that every repeat has the same id and the same bytes."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", webhook_id):
        sys.exit("ORDER may have letters, digits, - and _")
    file = QUEUE / f"{webhook_id}.json"
    job = json.dumps({"id": webhook_id, "path": path, "body": json.dumps(payload)})
    queued = file.read_text() if file.exists() else None
    if queued == job:
        return file
    # A refund that stays in the queue with a wrong body was not accepted, so the corrected one takes its place.
    if queued is not None and path == SALE_PATH:
        sys.exit(
            f"{webhook_id} is in the queue with another body: "
            f"use another number, and remove {file} if it is wrong"
        )
    QUEUE.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    with new.open("w") as stream:
        stream.write(job)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    return file


def resume() -> bool:
    """The oldest first, so that a refund follows its sale."""
    return all([deliver(file) for file in sorted(QUEUE.glob("*.json"), key=stored_at)])


def stored_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0  # another process has delivered it


def status(deliveries: list[str]) -> bool:
    body = json.dumps({"deliveries": deliveries}).encode()
    answer = post(STATUS_PATH, f"status-{uuid.uuid4()}", body)
    print(answer.text)
    return answer.status == 200


def main(arguments: list[str]) -> int:
    match arguments:
        case ["sell" | "refund" as command, order, email, name, family, *courses] if courses:
            payload = {
                "email": email,
                "name": name,
                "family": family,
                "username": email.split("@")[0],
                "courseIds": courses,
                "order": order,  # so that two orders of the same courses are two sales
            }
            if command == "sell":
                done = deliver(enqueue(SALE_PATH, f"order-{order}", payload))
            else:
                part = hashlib.sha256(" ".join(courses).encode()).hexdigest()[:8]
                payload["sale"] = f"order-{order}"
                done = deliver(enqueue(REFUND_PATH, f"refund-{order}-{part}", payload))
        case ["resume"]:
            done = resume()
        case ["status", *deliveries] if deliveries:
            done = status(deliveries)
        case _:
            sys.exit(__doc__)
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
