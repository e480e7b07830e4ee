"""Tells Tutor of the plugin: settings, patches, init tasks, image, mounts and commands."""

from __future__ import annotations

import os
import typing as t
from glob import glob

import importlib_resources
import jinja2
from tutor import hooks

from . import commands, quoting, settings
from .environment import PORT, container_environment, redirect_uris

HERE = str(importlib_resources.files("tutorlernito"))
REPOSITORY = "lernito-openedx"
IMAGE = "{{ LERNITO_DOCKER_IMAGE }}"


def read(*path: str) -> str:
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


@jinja2.pass_context
def lernito_environment(context: t.Any, dev: bool = False) -> dict[str, str]:
    return container_environment(context.resolve, dev=dev)


@jinja2.pass_context
def lernito_redirect_uris(context: t.Any) -> list[str]:
    return redirect_uris(context.resolve)


def _is_checkout(path: str) -> bool:
    return os.path.basename(path.rstrip("/")) == REPOSITORY


@jinja2.pass_context
def lernito_has_checkout(context: t.Any) -> bool:
    return any(_is_checkout(mount) for mount in context.resolve("MOUNTS"))


hooks.Filters.CONFIG_DEFAULTS.add_items(list(settings.DEFAULTS.items()))
hooks.Filters.CONFIG_UNIQUE.add_items(list(settings.UNIQUE.items()))

hooks.Filters.ENV_TEMPLATE_ROOTS.add_item(os.path.join(HERE, "templates"))
hooks.Filters.ENV_TEMPLATE_TARGETS.add_item(("lernito/build", "plugins"))
hooks.Filters.ENV_TEMPLATE_FILTERS.add_items(list(quoting.FILTERS.items()))
hooks.Filters.ENV_TEMPLATE_VARIABLES.add_items(
    [
        ("lernito_environment", lernito_environment),
        ("lernito_redirect_uris", lernito_redirect_uris),
        ("lernito_has_checkout", lernito_has_checkout),
        ("LERNITO_CONTAINER_PORT", PORT),
    ]
)
for patch in sorted(glob(os.path.join(HERE, "patches", "*"))):
    hooks.Filters.ENV_PATCHES.add_item((os.path.basename(patch), read("patches", patch)))

# In this order, after those of Tutor itself.
for service in ("mysql", "lms", "lernito"):
    task = read("templates", "lernito", "tasks", service, "init")
    hooks.Filters.CLI_DO_INIT_TASKS.add_item((service, task))

hooks.Filters.IMAGES_BUILD.add_item(("lernito", ("plugins", "lernito", "build", "lernito"), IMAGE, ()))
hooks.Filters.IMAGES_PULL.add_item(("lernito", IMAGE))
hooks.Filters.IMAGES_PUSH.add_item(("lernito", IMAGE))


@hooks.Filters.COMPOSE_MOUNTS.add()
def _run_checkout(mounts: list[tuple[str, str]], folder: str) -> list[tuple[str, str]]:
    if folder == REPOSITORY:
        mounts += [("lernito", "/app"), ("lernito-job", "/app")]
    return mounts


@hooks.Filters.IMAGES_BUILD_MOUNTS.add()
def _build_checkout(mounts: list[tuple[str, str]], path: str) -> list[tuple[str, str]]:
    if _is_checkout(path):
        mounts.append(("lernito", "checkout"))
    return mounts


@hooks.Filters.APP_PUBLIC_HOSTS.add()
def _console_address(hosts: list[str], context: str) -> list[str]:
    port = f":{PORT}" if context == "dev" else ""
    return [*hosts, "{{ LMS_HOST }}" + port + "/lernito/console/"]


hooks.Actions.DO_JOB.add()(commands.before_job)
hooks.Filters.CLI_DO_COMMANDS.add_item(commands.doctor)
hooks.Filters.CLI_COMMANDS.add_item(commands.lernito)
