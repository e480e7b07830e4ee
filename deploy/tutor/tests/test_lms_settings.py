"""The LMS's settings."""

import ast

import pytest


@pytest.mark.parametrize("mode", ["production", "development"])
def test_turn_on_bulk_enrollment_in_python_that_compiles(site, mode):
    source = site.read("apps", "openedx", "settings", "lms", f"{mode}.py")
    statements = [ast.unparse(one) for one in ast.parse(source).body]
    assert statements.count("FEATURES['ENABLE_BULK_ENROLLMENT_VIEW'] = True") == 1


def test_leave_studio_alone(site):
    assert "BULK_ENROLLMENT" not in site.read("apps", "openedx", "settings", "cms", "production.py")
