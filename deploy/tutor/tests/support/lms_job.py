"""The container in which the LMS's init tasks run, and what they did there."""

from __future__ import annotations

import json
import sys
from pathlib import Path


class LmsJob:
    def __init__(self, folder: Path):
        self.folder = folder
        program = Path(__file__).with_name("manage.py").read_text()
        # Without a search for Python, which each of many calls would begin with.
        (folder / "manage.py").write_text(program.replace("/usr/bin/env python3", sys.executable))
        (folder / "manage.py").chmod(0o755)

    def commands(self) -> list[list[str]]:
        """The arguments of each call of manage.py, without "lms"."""
        calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        assert all(call[0] == "lms" for call in calls)
        return [call[1:] for call in calls]

    def applications(self) -> list[dict[str, object]]:
        """The OAuth applications that were made, as the stand-in LMS's world has them."""
        users = [one for one in self.commands() if one[0] == "manage_user"]
        staff = {one[1] for one in users if "--staff" in one}
        made = [one for one in self.commands() if one[0] == "create_dot_application"]
        return [application(one, staff) for one in made]


def options_of(command: list[str]) -> dict[str, str]:
    return {name: value for name, value in zip(command, command[1:]) if name.startswith("--")}


def application(command: list[str], staff: set[str]) -> dict[str, object]:
    options = options_of(command)
    made = {
        "client_id": options["--client-id"],
        "client_secret": options["--client-secret"],
        "grant": options["--grant-type"],
    }
    if "--redirect-uris" in options:
        return {**made, "redirect_uri": options["--redirect-uris"].split()}
    return {**made, "user": command[-1], "staff": command[-1] in staff}
