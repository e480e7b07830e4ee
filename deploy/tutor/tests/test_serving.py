"""The whole, running: a site's init tasks, environment and Caddyfile with real servers, without docker."""

import json
import os
import re
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

import pytest
from conftest import each
from support.lms_job import LmsJob
from support.places import NEWEST, NODE, OLDEST, REPOSITORY
from support.servers import Caddy, MariaDb, Service, StandIn, ask, free_port, until
from support.shop import COURSE, Rush, send, signed
from support.site import Site
from test_caddy import adapt

SECRET = "wh$ec ${x} \"'\\q#: *&!%@/ü€"
PEOPLE = [
    {"username": "alice", "email": "alice@example.com", "active": True},
    {"username": "boss", "email": "boss@example.com", "active": True, "staff": True},
]
PASSWORD = "pw-Test-123"


class Running:
    """What `tutor local launch` does, in its order: the service is started first, then the init tasks run."""

    def __init__(self, servers, folder, version, caddy, mariadb, lms):
        self._servers = servers
        self.lms = lms
        self.folder = folder
        settings = {
            "LMS_HOST": "localhost",
            "RUN_MYSQL": False,
            "MYSQL_HOST": "127.0.0.1",
            "MYSQL_PORT": mariadb.port,
            "MYSQL_ROOT_PASSWORD": mariadb.ROOT_PASSWORD,
            "LERNITO_MYSQL_DATABASE": f"lernito-{version}",
            "LERNITO_MYSQL_USERNAME": f"lernito-{version}",
            "LERNITO_MYSQL_PASSWORD": SECRET,
            "LERNITO_LMS_URL": f"http://127.0.0.1:{lms.port}",
            "LERNITO_WEBHOOK_SECRET": SECRET,
            "LERNITO_LIFT_LMS_THROTTLE": True,
        }
        self.site = Site(folder / "site", version, settings).save()
        self._caddy = caddy
        self.port = free_port()
        self.caddy = servers.enter_context(self.front(folder, self.site, self.port))
        self.start()
        self.unready = until("why it is not ready", lambda: "can't be used" in self.reason() and self.reason())
        self.too_early = ask(self.port, "/api/lernito/webhook/", "POST", *signed(SECRET, "alice@example.com"))
        self.job = LmsJob(folder)
        self.init()
        courses = [{"id": COURSE, "name": "Demonstration Course"}]
        world = {"applications": self.job.applications(), "people": PEOPLE, "courses": courses}
        lms.has({**world, "password_of_people": PASSWORD})
        until("the ready service", lambda: ask(self.port, "/readyz").status == 200)

    @property
    def webhook(self):
        return f"http://localhost:{self.caddy.port}/api/lernito/webhook/"

    def reason(self):
        return json.loads(ask(self.port, "/readyz").body)["reason"]

    def serve(self, folder, site, port=None):
        return Service(folder, site.container_environment(), port or free_port())

    def front(self, folder, site, port):
        dials = {"lernito:8790": f"127.0.0.1:{port}", "lms:8000": f"127.0.0.1:{self.lms.port}"}
        return Caddy(self._caddy, folder, json.loads(adapt(site, self._caddy)), dials)

    def init(self):
        """`tutor local do init --limit=lernito`, with jobs that really run."""
        path = f"{NODE.parent}:{os.environ['PATH']}"
        lernito = {"PATH": path, **self.site.container_environment()}
        jobs = {
            "mysql-job": {"folder": str(self.folder), "environment": {"PATH": path}},
            "lms-job": {"folder": str(self.folder), "environment": {"PATH": path}},
            "lernito-job": {"folder": str(REPOSITORY), "environment": lernito},
        }
        self.printed = self.site.tutor("local", "do", "init", "--limit=lernito", DOCKER_JOBS=json.dumps(jobs))

    def start(self):
        self.service = self._servers.enter_context(self.serve(self.folder, self.site, self.port))

    def restart(self):
        assert self.service.stop() == 0
        self.start()


def refused_addresses(service):
    """The senders' addresses of the refused webhooks, as the service has them in its log."""
    return [line["ip"] for line in service.lines() if line["msg"] == "webhook refused"]


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory):
    with MariaDb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="module", params=each([(OLDEST, "old Caddy"), (NEWEST, "new Caddy")]))
def running(request, mariadb, tmp_path_factory):
    folder = tmp_path_factory.mktemp("running")
    with StandIn(folder) as lms, ExitStack() as servers:
        version, caddy = request.param
        yield Running(servers, folder, version, caddy.removesuffix(" Caddy"), mariadb, lms)


def test_at_the_first_launch_the_service_waits_for_its_database_and_says_so(running):
    assert f"The database {running.site.settings['LERNITO_MYSQL_DATABASE']}" in running.unready
    assert running.too_early.status == 503


def test_the_init_tasks_make_database_user_and_tables(running, mariadb):
    assert "is up to date." in running.printed
    name = running.site.settings["LERNITO_MYSQL_DATABASE"]
    charset = f"select default_character_set_name from information_schema.schemata where schema_name = '{name}'"
    assert mariadb.rows(charset) == ["utf8mb4"]
    assert "deliveries" in mariadb.rows(f"show tables in `{name}`")
    (grants,) = [row for row in mariadb.rows(f"show grants for `{name}`@'%'") if name in row.split(" TO ")[0]]
    assert grants.startswith(f"GRANT ALL PRIVILEGES ON `{name}`.* TO")


def test_the_init_tasks_may_run_again(running):
    before = running.job.commands()
    running.init()
    assert running.job.commands() == before + before
    assert ask(running.port, "/readyz").status == 200


def test_a_signed_sale_through_caddy_enrolls_and_an_unsigned_one_does_not(running):
    assert send(running.folder, running.webhook, SECRET, "alice@example.com").startswith("200 OK\n")
    enrolled = [(one["email"], one["course"], one["active"]) for one in running.lms.state()["enrollments"]]
    assert enrolled == [("alice@example.com", COURSE, True)]
    assert send(running.folder, running.webhook, "another-secret-than-ours", "boss@example.com").startswith("401 ")
    for path in ("/api/lernito/webhook", "/lernito/webhook/", "/API/lernito/webhook/", "/api/%6cernito/webhook/"):
        answer = ask(running.caddy.port, path, "POST", "{}", {"Content-Type": "application/json"})
        assert (path, answer.status) in ((path, 401), (path, 404)), "the service answers, not the LMS"
        assert answer.headers["Content-Type"].startswith("application/json")


def test_everything_else_goes_to_the_lms_as_before(running):
    assert json.loads(ask(running.caddy.port, "/heartbeat").body).keys() >= {"modulestore", "sql"}
    assert b"<form" in ask(running.caddy.port, "/register").body
    for private in ("/healthz", "/readyz", "/metrics"):
        assert ask(running.caddy.port, private).status == 404


def test_a_body_that_is_too_large_is_refused_by_the_service_or_by_caddy(running):
    headers = {"Content-Type": "application/json"}
    for size in (65 * 1024, 900 * 1024, 3 * 1024 * 1024):
        answer = ask(running.caddy.port, "/api/lernito/webhook/", "POST", b" " * size, headers)
        assert (size, answer.status) == (size, 413)
    body, signed_headers = signed(SECRET, "x" * 60_000 + "@example.com")
    assert ask(running.caddy.port, "/api/lernito/webhook/", "POST", body, signed_headers).status == 400


def test_the_service_knows_the_sender_s_address_and_believes_no_other(running):
    for forged in ({}, {"X-Forwarded-For": "203.0.113.6"}, {"X-Forwarded-For": "203.0.113.6, 203.0.113.7"}):
        headers = {"Content-Type": "application/json", **forged}
        path = "/api/lernito/webhook/"
        assert ask(running.caddy.port, path, "POST", "{}", headers, source="127.0.0.2").status == 401
    until("three log lines", lambda: refused_addresses(running.service).count("127.0.0.2") == 3)
    assert not {"203.0.113.6", "203.0.113.7"} & set(refused_addresses(running.service))


def test_behind_a_proxy_of_the_operator_s_the_address_is_the_one_that_it_names(running, tmp_path):
    proxied = {"ENABLE_HTTPS": True, "ENABLE_WEB_PROXY": False, "LMS_HOST": "learn.example.org"}
    site = Site(tmp_path / "site", running.site.version, {**running.site.settings, **proxied}).save()
    with running.serve(tmp_path, site) as service, running.front(tmp_path, site, service.port) as caddy:
        until("the ready service", lambda: ask(service.port, "/readyz").status == 200)
        for named in ("203.0.113.9", "203.0.113.6, 203.0.113.9"):
            headers = {"Content-Type": "application/json", "Host": "learn.example.org", "X-Forwarded-For": named}
            assert ask(caddy.port, "/api/lernito/webhook/", "POST", "{}", headers).status == 401
        until("two log lines", lambda: len(refused_addresses(service)) >= 2)
        assert set(refused_addresses(service)) == {"203.0.113.9"}


def test_staff_of_the_lms_sign_in_to_the_console_through_the_application_that_init_made(running):
    """Follows the browser's way. The site's own address, http://localhost, is Caddy's port here."""
    cookies = {}

    def go(url, form=None):
        parts = urlsplit(url)
        assert parts.netloc in ("", "localhost")
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://localhost"}
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        answer = ask(running.caddy.port, path, "GET" if form is None else "POST", form and urlencode(form), headers)
        for line in answer.headers.get_all("Set-Cookie", []):
            name, value = line.split(";")[0].split("=", 1)
            cookies[name] = value
        return answer

    console = go("http://localhost/lernito/console/")
    start = go(console.headers["Location"])
    authorize = start.headers["Location"]
    assert authorize.startswith("http://localhost/oauth2/authorize?")
    assert go("http://localhost/login", {"login": "boss@example.com", "password": PASSWORD}).status == 302
    back = go(authorize)
    assert back.headers["Location"].startswith("http://localhost/lernito/console/callback?")
    home = go(back.headers["Location"])
    assert home.status == 303, home.body
    page = go(home.headers["Location"])
    assert page.status == 200
    assert re.search(r"<main", page.body.decode())


def test_a_restart_under_load_costs_no_webhook(running):
    with Rush(running.caddy.port, SECRET) as rush:
        rush.goes_on(100)
        for _ in range(2):
            running.restart()
            rush.goes_on(100)
    assert dict(rush.answers) == {"200": len(rush.sold)}
    allowed = {one["email"] for one in running.lms.state()["allowances"]}
    assert rush.sold <= allowed
