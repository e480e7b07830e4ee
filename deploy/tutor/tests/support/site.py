"""A site of Tutor's: its settings, and what a real Tutor makes of them with the plugin."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import typing as t
from functools import cached_property
from pathlib import Path

import yaml

from .places import JWT_KEY, PLUGIN, TOOLS, VENV

COMPOSE_FILES = {
    "local": ["local/docker-compose.yml", "local/docker-compose.prod.yml", "local/docker-compose.jobs.yml"],
    "dev": [
        "local/docker-compose.yml",
        "dev/docker-compose.yml",
        "local/docker-compose.jobs.yml",
        "dev/docker-compose.jobs.yml",
    ],
}


class Site:
    def __init__(self, folder: Path, version: str, settings: dict[str, t.Any] | None = None):
        self.root = folder / "root"
        self.env = self.root / "env"
        self.version = version
        self.settings = {"LMS_HOST": "local.openedx.io", "CMS_HOST": "studio.local.openedx.io", **(settings or {})}
        self._log = folder / "docker.log"
        programs = folder / "bin"
        for one in (self.root, programs):
            one.mkdir(parents=True)
        docker = programs / "docker"
        docker.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("docker.py")}" "$@"\n')
        docker.chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{TOOLS}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([str(PLUGIN), str(VENV / f"tutor-{version}")]),
            "TUTOR_ROOT": str(self.root),
            "TUTOR_PLUGINS_ROOT": str(folder / "plugins"),
            "DOCKER_LOG": str(self._log),
        }
        self.write({"PLUGINS": ["lernito"], **self.settings})

    def write(self, config: dict[str, t.Any]) -> None:
        # Half of the time of a first `config save` would go into the LMS's own key, which is none of our business.
        key = {"JWT_RSA_PRIVATE_KEY": JWT_KEY.read_text()}
        (self.root / "config.yml").write_text(yaml.safe_dump({**key, **config}))

    @property
    def config(self) -> dict[str, t.Any]:
        return yaml.safe_load((self.root / "config.yml").read_text())

    def tutor(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """Runs tutor, which has to succeed, or to fail, and gives what it prints."""
        done = subprocess.run(
            [VENV / "tutor" / "bin" / "python", VENV / f"tutor-{self.version}" / "bin" / "tutor", *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert (done.returncode != 0) == fails, f"tutor {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def save(self) -> Site:
        self.tutor("config", "save")
        return self

    def read(self, *path: str) -> str:
        return self.env.joinpath(*path).read_text()

    def docker_calls(self) -> list[list[str]]:
        """What docker was asked for since the last time."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    @cached_property
    def tasks(self) -> dict[str, str]:
        """The scripts that `tutor local do init --limit=lernito` has run, by the compose service that runs them."""
        self.docker_calls()
        self.tutor("local", "do", "init", "--limit=lernito")
        return {service: script for service, script in self.jobs_run()}

    def jobs_run(self) -> list[tuple[str, str]]:
        """The services and scripts of the jobs that docker was asked for since the last time."""
        return [(call[-5], call[-1]) for call in self.docker_calls() if call[-4:-1] == ["sh", "-e", "-c"]]

    @cached_property
    def compose(self) -> dict[str, dict[str, t.Any]]:
        """The services as docker compose understands them, for `tutor local` and `tutor dev`."""
        return {mode: self._compose(files) for mode, files in COMPOSE_FILES.items()}

    def _compose(self, files: list[str]) -> dict[str, t.Any]:
        arguments = [part for file in files for part in ("-f", str(self.env / file))]
        done = run("docker-compose", *arguments, "--project-name", "site", "config", "--format", "json")
        assert "variable is not set" not in done.stderr
        return json.loads(done.stdout)["services"]

    def container_environment(self, mode: str = "local", service: str = "lernito") -> dict[str, str]:
        given = self.compose[mode][service]["environment"]
        return {name: value.replace("$$", "$") for name, value in given.items()}

    @cached_property
    def kubernetes(self) -> dict[tuple[str, str], dict[str, t.Any]]:
        """The objects that `tutor k8s start` applies, by kind and name."""
        text = run("kubectl", "kustomize", str(self.env)).stdout
        return {(one["kind"], one["metadata"]["name"]): one for one in yaml.load_all(text, yaml.CSafeLoader)}

    def secret(self) -> dict[str, str]:
        """The Secret's entries. kustomize leaves stringData as it is; a cluster would encode it."""
        secret = self.kubernetes["Secret", "lernito"]
        encoded = {name: base64.b64decode(value).decode() for name, value in secret.get("data", {}).items()}
        return {**encoded, **secret.get("stringData", {})}


def run(program: str, *arguments: str, **options: t.Any) -> subprocess.CompletedProcess[str]:
    """Runs one of the tools, which has to succeed."""
    done = subprocess.run([TOOLS / program, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{program}:\n{done.stdout}{done.stderr}"
    return done
