import pytest
from support.places import AUTHORITY, NEWEST, OLDEST, VERSIONS
from support.site import Site

#: A secret with all that YAML, compose, Jinja's neighbours and a shell could take for their own.
NASTY = "wh$ec ${x} \"'\\q#: *&!%@/ü€"

#: Few sets, because each costs seconds: what has nothing to do with one another is in the same one.
SETTINGS = {
    "default": {},
    "https, nasty secrets and a bind mount": {
        "ENABLE_HTTPS": True,
        "LMS_HOST": "learn.example.org",
        "CMS_HOST": "studio.learn.example.org",
        "LERNITO_WEBHOOK_SECRET": NASTY,
        "LERNITO_MYSQL_PASSWORD": NASTY,
        "LERNITO_LMS_CLIENT_SECRET": NASTY,
        "LERNITO_CONSOLE_CLIENT_SECRET": NASTY,
        "MOUNTS": ["/home/somebody/lernito-openedx"],
    },
    "behind a proxy with an external database": {
        "ENABLE_HTTPS": True,
        "ENABLE_WEB_PROXY": False,
        "CADDY_HTTP_PORT": 81,
        "LMS_HOST": "learn.example.org",
        "RUN_MYSQL": False,
        "MYSQL_HOST": "db.example.org",
        "MYSQL_PORT": 3307,
        "LERNITO_MYSQL_TLS": False,  # as YAML reads off
    },
    "everything set": {
        "LERNITO_WEBHOOK_SECRET": "the-secret-that-the-shop-has",
        "LERNITO_WEBHOOK_SECRET_PREVIOUS": "the-secret-that-the-shop-had",
        "LERNITO_ANSWER_WITHIN_MS": 5000,
        "LERNITO_RETENTION_DAYS": 30,
        "LERNITO_LMS_CONCURRENCY": 1,
        "LERNITO_EMAIL_STUDENTS": True,  # as YAML reads on
        "LERNITO_REFUNDS": True,
        "LERNITO_COURSE_MODE": "course-v1:Org+Course+Run=verified",
        "LERNITO_NOTIFY_URL": "https://chat.example.org/hooks/abc?x=1",
        "LERNITO_EVENTS_URL": "https://shop.example.org/lernito-events",
        "LERNITO_EVENTS_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "LERNITO_OUTCOMES": "grades",
        "LERNITO_LOG_LEVEL": "debug",
        "LERNITO_LIFT_LMS_THROTTLE": True,
        "LERNITO_SERVICE_USERNAME": "shopkeeper",
        "LERNITO_DOCKER_IMAGE": "registry.example.org/ours:7",
        "LERNITO_MYSQL_DATABASE": "the-shop",
        "LERNITO_MYSQL_USERNAME": "shop",
        "LERNITO_MYSQL_TLS": "verify",
        "LERNITO_DATABASE_CA_FILE": str(AUTHORITY),
        "LERNITO_REPLICAS": 3,
        "LERNITO_MAX_UNAVAILABLE": "50%",
    },
}

#: Every set of settings with the oldest and the newest Tutor, the two most different ones with those between.
SITES = [
    (version, name)
    for version in VERSIONS
    for name in SETTINGS
    if version in (OLDEST, NEWEST) or name in ("default", "everything set")
]


@pytest.fixture(scope="session")
def sites(tmp_path_factory):
    """Gives the site with these settings, made once."""
    made = {}

    def site(version=NEWEST, name="default"):
        if (version, name) not in made:
            made[version, name] = Site(tmp_path_factory.mktemp("site"), version, SETTINGS[name]).save()
        return made[version, name]

    return site


def pytest_collection_modifyitems(items):
    """One process gets all tests of a version, so that what is made for one of them is made once."""
    for item in items:
        text = item.nodeid.partition("[")[2]
        item.add_marker(pytest.mark.xdist_group(next((one for one in VERSIONS if one in text), NEWEST)))


def each(values):
    """As parameters of a fixture."""
    return [pytest.param(value, id=f"{value[0]}, {value[1]}") for value in values]


@pytest.fixture(params=each(SITES))
def site(request, sites):
    version, name = request.param
    return sites(version, name)


@pytest.fixture
def new_site(tmp_path):
    """Makes a site that a test may change."""

    def site(version=NEWEST, settings=None):
        return Site(tmp_path, version, settings)

    return site
