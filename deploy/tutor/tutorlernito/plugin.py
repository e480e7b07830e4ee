"""Tells Tutor of the plugin: settings, patches, init tasks, images and commands."""

from __future__ import annotations

import os
import typing as t
from glob import glob

import importlib_resources
import jinja2
from tutor import hooks

from . import commands, images, quoting, settings
from .environment import PORT, container_environment, redirect_uris

HERE = str(importlib_resources.files("tutorlernito"))


def read(*path: str) -> str:
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read()


@jinja2.pass_context
def lernito_environment(context: t.Any, dev: bool = False) -> dict[str, str]:
    return container_environment(context.resolve, dev=dev)


@jinja2.pass_context
def lernito_redirect_uris(context: t.Any) -> list[str]:
    return redirect_uris(context.resolve)


@jinja2.pass_context
def lernito_has_checkout(context: t.Any) -> bool:
    return any(images.is_checkout(mount) for mount in context.resolve("MOUNTS"))


@jinja2.pass_context
def lernito_image_is_built_here(context: t.Any) -> bool:
    return images.is_built_here(str(context.resolve("LERNITO_DOCKER_IMAGE")))


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
        ("lernito_image_is_built_here", lernito_image_is_built_here),
        ("LERNITO_CONTAINER_PORT", PORT),
    ]
)
for patch in sorted(glob(os.path.join(HERE, "patches", "*"))):
    hooks.Filters.ENV_PATCHES.add_item((os.path.basename(patch), read("patches", patch)))

# In this order, after those of Tutor itself.
for service in ("mysql", "lms", "lernito"):
    task = read("templates", "lernito", "tasks", service, "init")
    hooks.Filters.CLI_DO_INIT_TASKS.add_item((service, task))

images.register()


@hooks.Filters.APP_PUBLIC_HOSTS.add()
def _console_address(hosts: list[str], context: str) -> list[str]:
    port = f":{PORT}" if context == "dev" else ""
    return [*hosts, "{{ LMS_HOST }}" + port + "/lernito/console/"]


hooks.Actions.DO_JOB.add()(commands.before_job)
hooks.Filters.CLI_DO_COMMANDS.add_item(commands.doctor)
hooks.Filters.CLI_COMMANDS.add_item(commands.lernito)
