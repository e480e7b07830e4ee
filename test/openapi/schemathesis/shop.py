"""Does with schemathesis' bodies what the shop does: sells courses that exist, and signs."""

import hashlib
import hmac
import json
import os
import re

import schemathesis

DEMO = "course-v1:edX+DemoX+Demo_Course"


@schemathesis.auth()
class Signature:
    def get(self, case, context):
        return os.environ["LERNITO_WEBHOOK_SECRET"].encode()

    def set(self, case, data, context):
        if isinstance(case.body, dict) and are_course_keys(case.body.get("courseIds")):
            case.body["courseIds"] = [DEMO for _ in case.body["courseIds"]]
        case.headers["X-Lernito-Signature"] = hmac.new(data, signed(case.body), hashlib.sha256).hexdigest()


def are_course_keys(keys):
    """Generated ones, which have the form of a key; no course has them."""
    return isinstance(keys, list) and keys != [] and all(isinstance(key, str) and is_course_key(key) for key in keys)


def is_course_key(key):
    return len(key) <= 255 and re.fullmatch(r"[^\0- ]+[:/][^\0- ]+", key) is not None


def signed(body):
    if isinstance(body, bytes):
        return body
    if isinstance(body, schemathesis.core.NotSet):
        return b"{}"
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
