"""Whether the tests notice what they are for: each breakage, in a copy of the plugin, makes its test fail."""

import os
import shutil
import subprocess
import sys

import pytest
from breakages import BREAKAGES
from support.places import PROJECT

TESTS_FAILED = 1  # of pytest's exit codes; no test at all has another one


def try_out(breakage, folder):
    """Runs the test with the broken copy, and gives pytest's exit code and what it printed."""
    shutil.copytree(PROJECT / "tutorlernito", folder / "tutorlernito")
    file = folder / "tutorlernito" / breakage.file
    text = file.read_text()
    assert breakage.old in text, f"{breakage.file} has changed: {breakage.old}"
    file.write_text(text.replace(breakage.old, breakage.new))
    name, _, test = breakage.test.partition("::")
    chosen = f"{test} and {breakage.site}" if breakage.site else test
    options = ["-q", "-x", "--tb=line", "-k", chosen, f"--basetemp={folder / 'tests'}", str(PROJECT / "tests" / name)]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=PROJECT,
        env={**os.environ, "LERNITO_BROKEN_PLUGIN": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: one.what)
def test_is_noticed(breakage, tmp_path):
    done = try_out(breakage, tmp_path)
    assert done.returncode == TESTS_FAILED, done.stdout + done.stderr


def test_a_copy_that_is_not_broken_passes(tmp_path):
    whole = BREAKAGES[0]._replace(new=BREAKAGES[0].old)
    done = try_out(whole, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
