"""Real servers for a test: MariaDB, the stand-in LMS, the service, Caddy. Each on free ports of loopback."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import typing as t
from pathlib import Path

from .places import CADDIES, MAIN, NODE

WAIT_SECONDS = 30


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what: str, look: t.Callable[[], t.Any]) -> t.Any:
    """The first true value that `look` gives; a refused connection is none."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        try:
            if value := look():
                return value
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {WAIT_SECONDS} s")


class Answer(t.NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(
    port: int,
    path: str,
    method: str = "GET",
    body: t.Any = None,
    headers: dict[str, str] | None = None,
    source: str = "127.0.0.1",
) -> Answer:
    """One request over a connection of its own, to Host: localhost unless the headers say otherwise."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    try:
        connection.connect()
        # While nothing listens, a connection from the port that it is for is one with itself, and echoes the request.
        if connection.sock.getsockname() == connection.sock.getpeername():
            raise ConnectionRefusedError(f"nothing listens on port {port}")
        connection.request(method, path, body, {"Host": "localhost", **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Server:
    """A process with its output in a file; stopped at the end of the test's `with`."""

    def __init__(self, name: str, folder: Path, command: list[t.Any], environment: dict[str, str] | None = None):
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command], cwd=folder, env=environment, stdout=output, stderr=output
            )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self._process.send_signal(how)
        return self._process.wait(WAIT_SECONDS)


class MariaDb(Server):
    """Or the MySQL whose program MYSQLD names."""

    ROOT_PASSWORD = "RootOfTheTest"

    def __init__(self, folder: Path):
        self.port = free_port()
        self._socket = folder / "socket"
        data = f"--datadir={folder / 'data'}"
        os.chmod(folder, 0o755)
        user = "--user=root" if os.geteuid() == 0 else "--skip-name-resolve"
        if mysqld := os.environ.get("MYSQLD"):
            program = [mysqld, "--no-defaults", "--secure-file-priv=NULL"]
            install = [*program, "--initialize-insecure"]
        else:
            program = [_program("mariadbd"), "--no-defaults"]
            install = [_program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal"]
        # A MariaDB that starts deletes what others have in the folder for temporary tables.
        env = {**os.environ, "TMPDIR": str(folder)}
        subprocess.run([*install, data, user], env=env, check=True, capture_output=True)
        # Characters as Tutor sets them for MySQL.
        characters = ["--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"]
        place = [f"--socket={self._socket}", "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        super().__init__("mariadb", folder, [*program, data, user, *characters, *place], env)
        until("MariaDB", lambda: self._run("select 1").returncode == 0)
        root = "create user if not exists root@'127.0.0.1'; grant all on *.* to root@'127.0.0.1' with grant option"
        assert self._run(f"{root}; alter user root@'127.0.0.1' identified by '{self.ROOT_PASSWORD}'").returncode == 0

    def _run(self, sql: str) -> subprocess.CompletedProcess[str]:
        command = ["mysql", "--no-defaults", "--user=root", f"--socket={self._socket}", "--batch", "-N", "-e", sql]
        return subprocess.run(command, capture_output=True, text=True)

    def rows(self, sql: str) -> list[str]:
        done = self._run(sql)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert found, f"{name} is missing; to run these tests: apt-get install mariadb-server"
    return found


class StandIn(Server):
    def __init__(self, folder: Path):
        self.port = free_port()
        super().__init__("lms", folder, [NODE, MAIN, "sandbox", "--lms-only", "--port", self.port, "--throttle", "off"])
        until("the stand-in LMS", lambda: ask(self.port, "/heartbeat").status == 200)

    def has(self, world: dict[str, t.Any]) -> None:
        """Begins again, with these applications, people and courses."""
        headers = {"Content-Type": "application/json"}
        answer = ask(self.port, "/sandbox/reset", "POST", json.dumps(world), headers)
        assert answer.status == 200, answer.body

    def state(self) -> dict[str, list[dict[str, t.Any]]]:
        return json.loads(ask(self.port, "/sandbox/state").body)


class Service(Server):
    """`serve` in the environment that was rendered for its container, but on a free port."""

    def __init__(self, folder: Path, environment: dict[str, str], port: int):
        self.port = port
        given = {**environment, "LERNITO_PORT": str(port), "PATH": os.environ["PATH"]}
        super().__init__("service", folder, [NODE, MAIN, "serve"], given)
        until("the service", lambda: ask(port, "/healthz").status == 200)

    def lines(self) -> list[dict[str, t.Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class Caddy(Server):
    """The Caddyfile of a site, as Caddy itself reads it; only the addresses are others."""

    def __init__(self, caddy: str, folder: Path, config: dict[str, t.Any], dials: dict[str, str]):
        self.port = free_port()
        for name, server in config["apps"]["http"]["servers"].items():
            listens = server["listen"] == [":80"]
            server["listen"] = [f"127.0.0.1:{self.port if listens else free_port()}"]
            server["automatic_https"] = {"disable": True}
            assert listens or name
        text = json.dumps({**config, "admin": {"disabled": True}})
        for dial, place in dials.items():
            assert f'"dial": "{dial}"' in text
            text = text.replace(f'"dial": "{dial}"', f'"dial": "{place}"')
        (folder / "caddy.json").write_text(text)
        command = [CADDIES[caddy], "run", "--config", folder / "caddy.json"]
        super().__init__("caddy", folder, command, {**os.environ, "HOME": str(folder)})
        until("Caddy", lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None)
