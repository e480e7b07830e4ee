"""Caddy's configuration, as Caddy understands it."""

import json
import os
import subprocess
from functools import cache

import pytest
import yaml
from support.places import CADDIES

OURS = ["/api/lernito", "/api/lernito/*", "/lernito", "/lernito/*"]


@cache
def adapt(site, caddy, command="adapt"):
    compose = yaml.safe_load(site.read("local", "docker-compose.prod.yml"))
    environment = {**os.environ, "HOME": str(site.root), **compose["services"]["caddy"]["environment"]}
    done = subprocess.run(
        [CADDIES[caddy], command, "--adapter", "caddyfile", "--config", site.env / "apps" / "caddy" / "Caddyfile"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def routes_of(site, host, caddy="new"):
    servers = json.loads(adapt(site, caddy))["apps"]["http"]["servers"].values()
    routes = [route for server in servers for route in server["routes"]]
    (route,) = [route for route in routes if any(host in match.get("host", []) for match in route.get("match", []))]
    return route["handle"][0]["routes"]


def paths_of(route):
    return [path for match in route.get("match", []) for path in match.get("path", [])]


@pytest.mark.parametrize("caddy", CADDIES)
def test_is_valid(site, caddy):
    adapt(site, caddy, "validate")


@pytest.mark.parametrize("caddy", CADDIES)
def test_sends_our_paths_of_the_lms_host_to_the_service_before_the_lms_gets_the_rest(site, caddy):
    routes = routes_of(site, site.config["LMS_HOST"], caddy)
    (place,) = [index for index, route in enumerate(routes) if paths_of(route) == OURS]
    (rest,) = [index for index, route in enumerate(routes) if paths_of(route) == ["/*"]]
    assert place < rest
    assert '"dial": "lernito:8790"' in json.dumps(routes[place])
    assert "lernito" not in json.dumps([route for index, route in enumerate(routes) if index != place])


def test_leaves_studio_alone(site):
    assert "lernito:8790" not in json.dumps(routes_of(site, site.config["CMS_HOST"]))


def test_holds_back_what_comes_while_the_service_restarts(site):
    (ours,) = [route for route in routes_of(site, site.config["LMS_HOST"]) if paths_of(route) == OURS]
    handlers = [one for route in ours["handle"][0]["routes"] for one in route["handle"]]
    (proxy,) = [one for one in handlers if one["handler"] == "reverse_proxy"]
    second = 10**9
    balancing = proxy["load_balancing"]
    assert (balancing["try_duration"], balancing["try_interval"]) == (13 * second, second // 4)
    (webhooks,) = [one for one in balancing["retry_match"] if one["method"] == ["POST"]]
    assert webhooks["path"] == ["/api/lernito/*", "/lernito/webhook", "/lernito/webhook/*"]
    active = proxy["health_checks"]["active"]
    assert active["uri"] == "/readyz", "at its start the service is alive before it can accept anything"
    drain = int(site.container_environment()["LERNITO_DRAIN_MS"]) * 10**6
    assert active["interval"] <= drain // 2, "the service drains for longer than Caddy looks away"
    assert proxy["transport"]["keep_alive"]["idle_timeout"] == 30 * second
