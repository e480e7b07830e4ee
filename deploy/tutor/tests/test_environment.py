"""The environment of the container: the same everywhere, and one that the service understands."""

import json
import subprocess
from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
from support.places import NEWEST, NODE, OLDEST, REPOSITORY

READ_SETTINGS = """
import { readSettings, SETTINGS, SETTINGS_SCHEMA } from './src/service/settings/settings.ts'
import { warningsFor } from './src/service/settings/warnings.ts'
const env = JSON.parse(process.argv[1])
const settings = readSettings({ env, schema: SETTINGS_SCHEMA })
const warnings = warningsFor({ env, settings })
console.log(JSON.stringify({ settings, warnings, names: SETTINGS.map(({ name }) => name) }))
"""


def as_the_service_reads(environment):
    """Settings, warnings and the names of all settings, by the service's own code."""
    return json.loads(printed_by_the_service(json.dumps(environment)))


@cache
def printed_by_the_service(environment):
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", READ_SETTINGS, environment],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_is_the_same_in_compose_in_jobs_and_on_kubernetes(site):
    environment = site.container_environment()
    assert site.container_environment(service="lernito-job") == environment
    assert site.secret() == environment


def test_of_dev_differs_only_in_addresses_and_in_that_no_caddy_runs(site):
    local, dev = site.container_environment(), site.container_environment("dev")
    assert site.container_environment("dev", "lernito-job") == dev
    assert {name for name in dev | local if dev.get(name) != local.get(name)} == {
        "LERNITO_PUBLIC_URL",
        "LERNITO_LMS_PUBLIC_URL",
        "LERNITO_TRUSTED_PROXIES",
        "LERNITO_DRAIN_MS",
    }
    host = site.config["LMS_HOST"]
    assert dev["LERNITO_PUBLIC_URL"] == f"http://{host}:8790"
    assert dev["LERNITO_LMS_PUBLIC_URL"] == f"http://{host}:8000"
    assert (dev["LERNITO_TRUSTED_PROXIES"], dev["LERNITO_DRAIN_MS"]) == ("0", "0")


def test_is_read_by_the_service_without_a_complaint(site):
    for mode in ("local", "dev"):
        assert as_the_service_reads(site.container_environment(mode))["warnings"] == []


def test_has_the_secrets_and_addresses_that_the_site_has(site):
    config = site.config
    settings = as_the_service_reads(site.container_environment())["settings"]
    for name in ("LERNITO_WEBHOOK_SECRET", "LERNITO_LMS_CLIENT_SECRET", "LERNITO_CONSOLE_CLIENT_SECRET"):
        assert settings[name] == config[name]
    url = urlsplit(settings["LERNITO_DATABASE_URL"])
    assert unquote(url.username) == config.get("LERNITO_MYSQL_USERNAME", "lernito")
    assert unquote(url.password) == config["LERNITO_MYSQL_PASSWORD"]
    assert (url.hostname, url.port) == (config.get("MYSQL_HOST", "mysql"), config.get("MYSQL_PORT", 3306))
    assert url.path == "/" + config.get("LERNITO_MYSQL_DATABASE", "lernito")
    assert url.query == {None: "", False: "tls=off", "verify": "tls=verify"}[site.settings.get("LERNITO_MYSQL_TLS")]
    public = ("https://" if config.get("ENABLE_HTTPS") else "http://") + config["LMS_HOST"]
    assert settings["LERNITO_PUBLIC_URL"] == settings["LERNITO_LMS_PUBLIC_URL"] == public
    assert settings["LERNITO_LMS_URL"] == "http://lms:8000"
    assert (settings["LERNITO_HOST"], settings["LERNITO_PORT"]) == ("0.0.0.0", 8790)
    assert settings["LERNITO_TRUSTED_PROXIES"] == (1 if config.get("ENABLE_WEB_PROXY", True) else 2)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_leaves_to_the_service_what_is_not_set(sites, version):
    environment = sites(version, "default").container_environment()
    assert "" not in environment.values()
    assert "LERNITO_RETENTION_DAYS" not in environment
    assert as_the_service_reads(environment)["settings"]["LERNITO_LMS_CALLS_PER_MINUTE"] == 110


def test_leaves_to_the_service_what_config_yml_names_without_a_value(new_site):
    names = ("LERNITO_COURSE_MODE", "LERNITO_RETENTION_DAYS", "LERNITO_NOTIFY_URL", "LERNITO_MYSQL_TLS")
    site = new_site(settings=dict.fromkeys(names)).save()
    environment = site.container_environment()
    assert [name for name in names if name in environment] == []
    settings = as_the_service_reads(environment)["settings"]
    assert "LERNITO_COURSE_MODE" not in settings
    assert not settings["LERNITO_DATABASE_URL"].endswith("None")


def test_reaches_a_database_that_is_named_by_an_address_of_ipv6(new_site):
    site = new_site(settings={"RUN_MYSQL": False, "MYSQL_HOST": "fd00::1"}).save()
    url = as_the_service_reads(site.container_environment())["settings"]["LERNITO_DATABASE_URL"]
    assert (urlsplit(url).hostname, urlsplit(url).port) == ("fd00::1", 3306)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_can_set_every_setting_that_the_service_has(sites, version):
    site = sites(version, "everything set")
    read = as_the_service_reads(site.container_environment())
    # A new setting of the service: name it in tutorlernito/settings.py, or compute it in environment.py.
    assert [name for name in read["names"] if name not in site.container_environment()] == []
    for name in (
        "LERNITO_ANSWER_WITHIN_MS",
        "LERNITO_RETENTION_DAYS",
        "LERNITO_LMS_CONCURRENCY",
        "LERNITO_EMAIL_STUDENTS",
        "LERNITO_REFUNDS",
    ):
        assert read["settings"][name] == site.settings[name]
    for name in (
        "LERNITO_NOTIFY_URL",
        "LERNITO_EVENTS_URL",
        "LERNITO_EVENTS_SECRET",
        "LERNITO_OUTCOMES",
        "LERNITO_LOG_LEVEL",
        "LERNITO_WEBHOOK_SECRET_PREVIOUS",
    ):
        assert read["settings"][name] == site.settings[name]
    assert read["settings"]["LERNITO_LMS_CALLS_PER_MINUTE"] == 0, "the LMS's limit is lifted, so ours is too"
