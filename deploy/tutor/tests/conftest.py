import pytest
from support.places import AUTHORITY, NEWEST, OLDEST, VERSIONS
from support.site import Site

#: A secret with all that YAML, compose, Jinja's neighbours and a shell could take for their own.
NASTY = "wh$ec ${x} \"'\\q#: *&!%@/ü€"

SETTINGS = {
    "default": {},
    "https": {"ENABLE_HTTPS": True, "LMS_HOST": "learn.example.org", "CMS_HOST": "studio.learn.example.org"},
    "behind a proxy": {
        "ENABLE_HTTPS": True,
        "ENABLE_WEB_PROXY": False,
        "CADDY_HTTP_PORT": 81,
        "LMS_HOST": "learn.example.org",
    },
    "external database": {
        "RUN_MYSQL": False,
        "MYSQL_HOST": "db.example.org",
        "MYSQL_PORT": 3307,
        "LERNITO_MYSQL_TLS": False,  # as YAML reads off
    },
    "nasty secrets": {
        "LERNITO_WEBHOOK_SECRET": NASTY,
        "LERNITO_MYSQL_PASSWORD": NASTY,
        "LERNITO_LMS_CLIENT_SECRET": NASTY,
        "LERNITO_CONSOLE_CLIENT_SECRET": NASTY,
    },
    "bind mount": {"MOUNTS": ["/home/somebody/lernito-openedx"]},
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


def each(values):
    """As parameters of a fixture. What is made for one of them is made once: one process gets all tests of it."""
    names = [f"{version}, {name}" for version, name in values]
    return [pytest.param(value, id=name, marks=pytest.mark.xdist_group(name)) for value, name in zip(values, names)]


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
