"""What an operator types."""

import pytest
from support.places import NEWEST, OLDEST, VERSIONS


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_enable_alone_saves_no_secret_so_no_job_and_no_info_works_before_they_are_saved(new_site, version):
    site = new_site(version)
    site.write({"PLUGINS": [], **site.settings})
    site.tutor("config", "save")
    site.tutor("plugins", "enable", "lernito")
    site.docker_calls()
    for command in (
        ("local", "do", "init"),
        ("dev", "do", "lernito-doctor"),
        ("lernito", "info"),
    ):
        assert "Run: tutor config save" in site.tutor(*command, fails=True)
    assert site.jobs_run() == []
    site.tutor("local", "do", "init", "--limit=mysql")
    assert len(site.jobs_run()) == 1, "other people's jobs are none of our business"

    site.tutor("config", "save")
    site.tutor("local", "do", "init", "--limit=lernito")
    assert len(site.jobs_run()) == 3


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_launch_right_after_enable_builds_the_image_and_saves_the_secrets_before_it_uses_them(new_site, version):
    site = new_site(version)
    site.write({"PLUGINS": [], **site.settings})
    site.tutor("config", "save")
    site.tutor("plugins", "enable", "lernito")
    printed = site.tutor("local", "launch", "--non-interactive")
    assert f"http://{site.settings['LMS_HOST']}/lernito/console/" in printed
    calls = site.docker_calls()
    (build,) = [index for index, call in enumerate(calls) if "build" in call]
    (start,) = [index for index, call in enumerate(calls) if "up" in call]
    assert build < start and "--tag=docker.io/lernito-openedx:0.1.0" in calls[build]
    scripts = "\n".join(call[-1] for call in calls[start:])
    assert site.config["LERNITO_MYSQL_PASSWORD"] in scripts
    assert site.config["LERNITO_LMS_CLIENT_SECRET"] in scripts
    assert site.config["LERNITO_MYSQL_PASSWORD"] in site.read("local", "docker-compose.yml")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_secrets_stay_when_settings_are_saved_again(new_site, version):
    site = new_site(version).save()
    before = site.config
    site.tutor("config", "save")
    assert site.config == before
    for name in ("WEBHOOK_SECRET", "MYSQL_PASSWORD", "LMS_CLIENT_SECRET", "CONSOLE_CLIENT_SECRET"):
        assert len(before[f"LERNITO_{name}"]) >= 20


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ["default", "https, nasty secrets and a bind mount"])
def test_info_prints_what_to_enter_in_the_shop_and_where_the_console_is(sites, version, name):
    site = sites(version, name)
    config, printed = site.config, site.tutor("lernito", "info")
    public = ("https://" if config.get("ENABLE_HTTPS") else "http://") + config["LMS_HOST"]
    assert f"{public}/api/lernito/webhook/\n" in printed
    assert f"{config['LERNITO_WEBHOOK_SECRET']}\n" in printed
    assert f"{public}/lernito/console/\n" in printed
    for other in ("LERNITO_MYSQL_PASSWORD", "LERNITO_LMS_CLIENT_SECRET"):
        assert config[other] not in printed or config[other] == config["LERNITO_WEBHOOK_SECRET"]


@pytest.mark.parametrize("written", ["0123", "yes"])
def test_a_webhook_secret_that_yaml_takes_for_something_else_is_refused_and_quotes_mend_it(new_site, written):
    site = new_site().save()
    refused = site.tutor("config", "save", "--set", f"LERNITO_WEBHOOK_SECRET={written}", fails=True)
    assert "LERNITO_WEBHOOK_SECRET was not read as a text" in refused
    assert "LERNITO_WEBHOOK_SECRET was not read as a text" in site.tutor("lernito", "info", fails=True)
    site.tutor("config", "save", "--set", f"LERNITO_WEBHOOK_SECRET='{written}'")
    assert site.container_environment()["LERNITO_WEBHOOK_SECRET"] == written


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("mode", ["local", "dev"])
def test_doctor_runs_in_a_container_of_its_own(sites, version, mode):
    site = sites(version)
    site.docker_calls()
    site.tutor(mode, "do", "lernito-doctor")
    site.tutor(mode, "do", "lernito-doctor", "--json")
    command = "node bin/lernito-openedx.js doctor"
    assert site.jobs_run() == [("lernito-job", command), ("lernito-job", f"{command} --json")]


@pytest.mark.parametrize("version", VERSIONS)
def test_doctor_is_there_on_kubernetes_too(sites, version):
    assert "lernito-doctor" in sites(version).tutor("k8s", "do", "--help")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ["https, nasty secrets and a bind mount", "everything set"])
def test_the_image_is_built_by_name_from_npm_or_a_checkout(sites, version, name):
    site = sites(version, name)
    site.docker_calls()
    site.tutor("images", "build", "lernito")
    (build,) = site.docker_calls()
    assert "build" in build and f"--tag={site.compose['local']['lernito']['image']}" in build
    assert build[-1] == str(site.env / "plugins" / "lernito" / "build" / "lernito")
    contexts = [one for one in build if one.startswith("--build-context=")]
    assert contexts == [f"--build-context=checkout={mount}" for mount in site.settings.get("MOUNTS", [])]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_an_image_that_the_operator_names_is_pulled_and_pushed_the_default_one_never(sites, version):
    ours, named = sites(version), sites(version, "everything set")
    for mode in ("local", "dev"):
        for service in ("lernito", "lernito-job"):
            assert ours.compose[mode][service]["pull_policy"] == "never"
            assert "pull_policy" not in named.compose[mode][service]
    for verb in ("pull", "push"):
        assert "Image 'lernito' could not be found" in ours.tutor("images", verb, "lernito", fails=True)
        named.docker_calls()
        named.tutor("images", verb, "lernito")
        assert named.docker_calls() == [[verb, "registry.example.org/ours:7"]]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_plugin_can_be_turned_off_and_leaves_nothing_in_the_environment(new_site, version):
    site = new_site(version).save()
    site.tutor("plugins", "disable", "lernito")
    site.tutor("config", "save")
    for path in (("local", "docker-compose.yml"), ("apps", "caddy", "Caddyfile"), ("k8s", "deployments.yml")):
        assert "lernito" not in site.read(*path)
