"""The LMS's settings."""

import yaml

FLAG = "ENABLE_BULK_ENROLLMENT_VIEW"


def features_of(site, part):
    return yaml.safe_load(site.read("apps", "openedx", "config", f"{part}.env.yml"))["FEATURES"]


def test_turn_on_bulk_enrollment_where_every_release_of_the_lms_reads_it(site):
    """
    In FEATURES of the YAML file, out of which the LMS makes a dict (up to Verawood) or flat settings (since). A line of
    Python in the settings would be one of the two only.
    """
    assert features_of(site, "lms")[FLAG] is True
    for mode in ("production", "development"):
        assert FLAG not in site.read("apps", "openedx", "settings", "lms", f"{mode}.py")


def test_leave_studio_alone(site):
    assert FLAG not in features_of(site, "cms")


def test_have_bulk_enrollment_wherever_the_service_calls_without_a_limit(site):
    """What it needs without bulk enrollment, enrollment_allowed, has a throttle that no setting lifts."""
    if site.container_environment().get("LERNITO_LMS_CALLS_PER_MINUTE") == "0":
        assert features_of(site, "lms")[FLAG] is True
