"""The init tasks, as `tutor local do init` gives them to docker."""

import subprocess
from functools import cache

import pytest
from support.lms_job import LmsJob, options_of
from support.places import NEWEST, NODE, OLDEST, REPOSITORY
from support.site import run


@cache
def run_of_the_lms(site):
    job = LmsJob(site.root)
    subprocess.run(["sh", "-e", "-c", site.tasks["lms-job"]], cwd=job.folder, check=True)
    return job.commands()


@pytest.fixture
def commands(site):
    """What the LMS's task does there: the arguments of each manage.py, as a real shell gives them."""
    return run_of_the_lms(site)


@cache
def django_takes(address):
    """By the service's own rule, which is recorded from Django."""
    program = "import { isEmail } from './src/sale/payload/email.ts'; console.log(isEmail(process.argv[1]))"
    command = [NODE, "--input-type=module", "--eval", program, address]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout == "true\n"


def test_run_in_the_order_in_which_they_need_each_other(site):
    assert list(site.tasks) == ["mysql-job", "lms-job", "lernito-job"]


def test_are_good_shell(site):
    for script in site.tasks.values():
        subprocess.run(["sh", "-n", "-c", script], check=True)
        run("shellcheck", "--shell=sh", "--severity=warning", "-", input=script)


def test_make_a_staff_user_and_both_applications_as_the_service_uses_them(site, commands):
    user, service, console = commands[:3]
    name = site.settings.get("LERNITO_SERVICE_USERNAME", "lernito")
    assert user[:2] + user[3:] == ["manage_user", name, "--staff", "--unusable-password"]
    assert django_takes(user[2]), "the LMS's admin could not save this user"
    environment = site.container_environment()
    for command, grant, which in (
        (service, "client-credentials", "LMS"),
        (console, "authorization-code", "CONSOLE"),
    ):
        options = options_of(command)
        assert options["--grant-type"] == grant
        assert options["--client-id"] == environment[f"LERNITO_{which}_CLIENT_ID"]
        assert options["--client-secret"] == environment[f"LERNITO_{which}_CLIENT_SECRET"]
        assert {"--skip-authorization", "--update"} <= set(command)
        assert command[-1] == name
    assert service[-2] != console[-2], "an application is found by its name and user"


def test_let_the_sign_in_come_back_to_the_console_and_nowhere_else(site, commands):
    (console,) = [one for one in commands if "authorization-code" in one]
    uris = options_of(console)["--redirect-uris"].split(" ")
    local, dev = (site.container_environment(mode)["LERNITO_PUBLIC_URL"] for mode in ("local", "dev"))
    places = [local] if site.settings.get("ENABLE_HTTPS") else [local, dev]
    assert uris == [f"{place}/lernito/console/callback" for place in places]


def test_register_the_host_in_small_letters_as_the_service_sends_it(new_site):
    site = new_site(settings={"LMS_HOST": "Learn.Example.org"}).save()
    host = "http://learn.example.org"
    assert f"'{host}/lernito/console/callback {host}:8790/lernito/console/callback'" in site.tasks["lms-job"]


def test_show_the_webhook_secret_to_nobody(site):
    secret = site.config["LERNITO_WEBHOOK_SECRET"]
    for script in site.tasks.values():
        assert secret not in script


def test_lift_the_limit_of_enrollment_calls_only_where_that_is_asked_for(site, commands):
    more = commands[3:]
    assert len(more) == (1 if site.settings.get("LERNITO_LIFT_LMS_THROTTLE") else 0)
    for shell, option, code in more:
        assert (shell, option) == ("shell", "-c")
        assert "RateLimitConfiguration(enabled=False).save()" in code
        compile(code, "shell -c", "exec")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_run_with_those_of_the_whole_platform_after_the_ones_of_the_lms(sites, version):
    site = sites(version, "default")
    site.docker_calls()
    site.tutor("local", "do", "init")
    scripts = [script for _, script in site.jobs_run()]
    (ours,) = [
        index for index, script in enumerate(scripts) if "create_dot_application" in script and "lernito" in script
    ]
    (lms,) = [index for index, script in enumerate(scripts) if "./manage.py lms migrate" in script]
    assert lms < ours
