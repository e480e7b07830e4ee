"""Writes course-keys.json: texts, and whether CourseKey.from_string takes them.

Needs: pip install edx-opaque-keys==4.0.0 edx-ccx-keys==2.0.2
Run:   python3 test/lms/vectors/course-keys.py
"""
import json
import pathlib
import random

from opaque_keys import InvalidKeyError
from opaque_keys.edx.keys import CourseKey

random.seed(20261124)

GUID = "519665f6223ebd6980884f2b"
NAMESPACES = ["course-v1:", "library-v1:", "ccx-v1:", "slashes:", "lib:", "Course-v1:", "course-v2:", ":", ""]
PARTS = ["a", "MITx", "6.00x", "T1_2026", "é", "中文", "٣", "²", "Ⅷ", "a:b", "~", "-", ".", "", " ", "a b", "a/b", "%20",
         "e\u0301", "😀", "a@b", "\u200b", "a\n", "İ"]
TAILS = ["branch@draft-branch", "branch@", "BRANCH@x", "version@" + GUID, "version@" + GUID.upper(), "version@abc",
         "version@" + GUID + "0", "type@course", "block@course", "block@a%b", "ccx@1", "ccx@", "ccx@x", "ccx@٣", "ccx@²"]


def text():
    if random.random() < 0.3:
        return "/".join(random.choice(PARTS[:12] + ["%", ""]) for _ in range(random.choice([2, 3, 3, 3, 3, 4])))
    plain = [random.choice(PARTS[:12] if random.random() < 0.8 else PARTS) for _ in range(random.choice([0, 1, 2, 3, 3, 3, 4]))]
    tails = random.sample(TAILS, random.choice([0, 0, 1, 1, 2, 3]))
    if random.random() < 0.6:
        tails.sort(key=TAILS.index)
    return random.choice(NAMESPACES[:4] if random.random() < 0.8 else NAMESPACES) + "+".join(plain + tails)


def taken(value):
    try:
        CourseKey.from_string(value)
        return True
    except InvalidKeyError:
        return False


seen = {"course-v1:version@" + GUID, "library-v1:version@" + GUID, "course-v1:", "course-v1:a+b+version@" + GUID,
        "ccx-v1:a+b+c+ccx@1", "ccx-v1:a+b+c+CCX@1", "ccx-v1:a+b+c", "slashes:a+b+c", "a/b/", "a//c", "a/b/c\n"}
while len(seen) < 4000:
    seen.add(text())
rows = [[value, taken(value)] for value in sorted(seen)]
good = [row for row in rows if row[1]]
bad = [row for row in rows if not row[1]]
rows = sorted(random.sample(good, min(len(good), 350)) + random.sample(bad, 350))
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n", encoding="utf-8")
print(len(good), len(bad), "written", len(rows))
