"""The package as it is published, and its Dockerfile."""

import json
import os
import re
import subprocess
import zipfile

import pytest
from support.places import PROJECT, REPOSITORY, VENV, VERSIONS

DOCKERFILE = REPOSITORY / "deploy" / "docker" / "Dockerfile"


@pytest.fixture(scope="module")
def wheel():
    (file,) = (VENV / "dist").glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


def metadata_of(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return wheel.read(name).decode()


def test_has_every_file_of_the_plugin_and_none_of_the_tests(wheel):
    source = PROJECT / "tutorlernito"
    files = {str(file.relative_to(PROJECT)) for file in source.rglob("*") if file.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == files


def test_has_the_version_of_the_service_that_it_installs(wheel):
    version = json.loads((REPOSITORY / "package.json").read_text())["version"]
    assert f"\nVersion: {version}\n" in metadata_of(wheel)


def test_is_for_the_versions_of_tutor_that_it_is_tested_with(wheel):
    majors = [int(version.split(".")[0]) for version in VERSIONS]
    assert majors == list(range(majors[0], majors[-1] + 1))
    assert f"Requires-Dist: tutor<{majors[-1] + 1},>={majors[0]}\n" in metadata_of(wheel)


def test_has_the_license_of_the_repository():
    assert (PROJECT / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()


def dockerfile_of(site):
    return site.read("plugins", "lernito", "build", "lernito", "Dockerfile")


def last_stage(dockerfile):
    """What makes the image that runs, but for the version that is only a label."""
    lines = dockerfile[dockerfile.rindex("\nFROM ") :].strip().splitlines()
    return [line for line in lines if not line.startswith("ARG VERSION=")]


def test_the_image_that_tutor_builds_is_made_as_the_repository_s_own(sites):
    for name in ("default", "https, nasty secrets and a bind mount"):
        assert last_stage(dockerfile_of(sites(name=name))) == last_stage(DOCKERFILE.read_text())


def runs_of(dockerfile):
    """The commands of its RUN instructions."""
    joined = dockerfile.replace("\\\n", " ").splitlines()
    return [line.removeprefix("RUN ") for line in joined if line.startswith("RUN ")]


def test_the_image_s_package_is_the_one_of_this_version(sites):
    for version in VERSIONS:
        assert "ARG PACKAGE=lernito-openedx@0.1.0\n" in dockerfile_of(sites(version))


def test_the_steps_of_the_image_make_a_folder_in_which_the_service_runs(sites, tmp_path):
    """Without docker: the steps are run in a folder, with the package as npm would publish it."""
    options = {"check": True, "capture_output": True, "text": True, "timeout": 120}
    environment = {**os.environ, "PATH": f"{REPOSITORY}/node_modules/.bin:{os.environ['PATH']}"}
    pack = ["npm", "pack", "--silent", "--pack-destination", str(tmp_path)]
    package = tmp_path / subprocess.run(pack, cwd=REPOSITORY, **options).stdout.split()[-1]
    build = tmp_path / "build"
    build.mkdir()
    for command in runs_of(dockerfile_of(sites())):
        subprocess.run(["sh", "-e", "-c", command], cwd=build, env={**environment, "PACKAGE": str(package)}, **options)
    for folder in ("node_modules", "bin", "dist", "data"):
        assert (build / folder).is_dir()
    program = ["node", "bin/lernito-openedx.js", "--version"]
    assert subprocess.run(program, cwd=build, env=environment, **options).stdout == "0.1.0\n"
    assert subprocess.run(["bin/lernito-openedx", "--version"], cwd=build, env=environment, **options).returncode == 0


def test_the_readme_names_every_setting_of_the_plugin_but_those_that_are_handed_on():
    readme = (PROJECT / "README.md").read_text()
    source = (PROJECT / "tutorlernito" / "settings.py").read_text()
    own = re.sub(r"^HANDED_ON: .*?^\)", "", source, flags=re.MULTILINE | re.DOTALL)
    names = set(re.findall(r'"(LERNITO_[A-Z_]+)"', own))
    assert len(names) > 15
    assert {name for name in names if f"`{name}`" not in readme} == set()
