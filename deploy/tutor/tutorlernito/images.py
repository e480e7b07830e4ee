"""The image: built on this machine, or pulled from where the operator has put it."""

from __future__ import annotations

import os
import typing as t

import click
from tutor import config as tutor_config
from tutor import hooks

REPOSITORY = "lernito-openedx"
#: In nobody's namespace, so that a stranger's image can't be pulled under this name.
BUILT_HERE = "docker.io/lernito-openedx:"

Named = list[tuple[str, str]]


def is_built_here(image: str) -> bool:
    """Whether the image is the default one, which no registry has."""
    return image.startswith(BUILT_HERE)


def is_checkout(path: str) -> bool:
    """Whether this mount is a checkout of the service, by the name of its folder as Tutor does it."""
    return os.path.basename(path.rstrip("/")) == REPOSITORY


def register() -> None:
    hooks.Filters.IMAGES_BUILD.add_item(
        ("lernito", ("plugins", "lernito", "build", "lernito"), "{{ LERNITO_DOCKER_IMAGE }}", ())
    )
    hooks.Filters.IMAGES_BUILD_REQUIRED.add()(_build_at_launch)
    hooks.Filters.IMAGES_PULL.add()(_in_a_registry)
    hooks.Filters.IMAGES_PUSH.add()(_in_a_registry)
    hooks.Filters.COMPOSE_MOUNTS.add()(_run_checkout)
    hooks.Filters.IMAGES_BUILD_MOUNTS.add()(_build_checkout)


def _build_at_launch(names: list[str], _context: str) -> list[str]:
    config = tutor_config.load_full(click.get_current_context().obj.root)
    return [*names, "lernito"] if is_built_here(str(config["LERNITO_DOCKER_IMAGE"])) else names


def _in_a_registry(images: Named, config: dict[str, t.Any]) -> Named:
    image = str(config["LERNITO_DOCKER_IMAGE"])
    return images if is_built_here(image) else [*images, ("lernito", image)]


def _run_checkout(mounts: Named, folder: str) -> Named:
    """
    Under a name that only the patches for `tutor dev` ask for. `tutor local` runs the image that is built from the
    checkout: a `git pull` there must not change what runs, nor `npm ci` remove it.
    """
    return [*mounts, ("lernito-dev", "/app")] if is_checkout(folder) else mounts


def _build_checkout(mounts: Named, path: str) -> Named:
    return [*mounts, ("lernito", "checkout")] if is_checkout(path) else mounts
