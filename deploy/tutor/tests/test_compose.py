"""What `tutor local` and `tutor dev` give to docker compose."""

import pytest
from support.places import NEWEST, OLDEST

MODES = ("local", "dev")


@pytest.mark.parametrize("service", ["lernito", "lernito-job"])
def test_runs_without_rights_on_a_file_system_that_it_can_not_write_to(site, service):
    for mode in MODES:
        container = site.compose[mode][service]
        assert container["user"] == "1000:1000"
        assert container["read_only"] is True
        assert container["cap_drop"] == ["ALL"]
        assert container["security_opt"] == ["no-new-privileges:true"]
        assert container["tmpfs"] == ["/tmp"]


def test_the_service_is_started_again_and_has_the_time_to_stop(site):
    for mode in MODES:
        service = site.compose[mode]["lernito"]
        assert service["restart"] == "unless-stopped"
        assert service["entrypoint"] == ["node", "bin/lernito-openedx.js"]
        assert service["command"] == ["serve"]
        drain_ms = int(site.container_environment(mode)["LERNITO_DRAIN_MS"])
        assert service["stop_grace_period"] == "15s"
        assert drain_ms + 8000 < 15_000


def test_a_job_takes_its_command_from_tutor(site):
    for mode in MODES:
        assert site.compose[mode]["lernito-job"]["entrypoint"] == []


def test_has_the_image_of_the_setting(site):
    image = site.settings.get("LERNITO_DOCKER_IMAGE", "docker.io/lernito-openedx:0.1.0")
    for mode in MODES:
        for service in ("lernito", "lernito-job"):
            assert site.compose[mode][service]["image"] == image


def test_waits_for_mysql_only_where_tutor_runs_it(site):
    mysql = set() if site.settings.get("RUN_MYSQL") is False else {"mysql"}
    for mode in MODES:
        assert set(site.compose[mode]["lernito"]["depends_on"]) == {"lms"} | mysql
        assert set(site.compose[mode]["lernito-job"].get("depends_on", {})) == mysql


def test_is_reached_from_outside_only_through_caddy_but_in_dev_by_a_port_on_loopback(site):
    assert "ports" not in site.compose["local"]["lernito"]
    (port,) = site.compose["dev"]["lernito"]["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "8790", 8790)


def test_dev_runs_a_mounted_checkout_and_local_the_image_that_is_built_from_it(site):
    mounts = site.settings.get("MOUNTS", [])
    for mode, running in (("local", []), ("dev", [(mount, "/app") for mount in mounts])):
        for service in ("lernito", "lernito-job"):
            volumes = site.compose[mode][service].get("volumes", [])
            assert [(one["source"], one["target"]) for one in volumes] == running


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_file_that_is_mounted_into_a_service_by_its_name_is_there_in_both_modes(new_site, version):
    ca = "/etc/lernito/database-ca.pem"
    site = new_site(version, {"MOUNTS": [f"{service}:{ca}:{ca}" for service in ("lernito", "lernito-job")]}).save()
    for mode in MODES:
        for service in ("lernito", "lernito-job"):
            assert [one["target"] for one in site.compose[mode][service]["volumes"]] == [ca]
