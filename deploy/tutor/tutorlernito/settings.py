"""
Every Tutor setting of the plugin, with its default.

One that has the name of a setting of the service is that setting; see environment.py.
"""

from __future__ import annotations

import typing as t

from .__about__ import __version__

#: Secrets that are drawn once and then kept in config.yml. A value that the operator sets goes before.
UNIQUE: dict[str, str] = {
    "LERNITO_WEBHOOK_SECRET": "{{ 40|random_string }}",
    "LERNITO_MYSQL_PASSWORD": "{{ 20|random_string }}",
    "LERNITO_LMS_CLIENT_SECRET": "{{ 40|random_string }}",
    "LERNITO_CONSOLE_CLIENT_SECRET": "{{ 40|random_string }}",
}

#: Settings of the service that are handed on as they are. Empty: the service's own default.
HANDED_ON: tuple[str, ...] = (
    "LERNITO_WEBHOOK_SECRET_PREVIOUS",
    "LERNITO_ANSWER_WITHIN_MS",
    "LERNITO_RETENTION_DAYS",
    "LERNITO_LMS_CONCURRENCY",
    "LERNITO_EMAIL_STUDENTS",
    "LERNITO_COURSE_MODE",
    "LERNITO_REFUNDS",
    "LERNITO_NOTIFY_URL",
    "LERNITO_EVENTS_URL",
    "LERNITO_EVENTS_SECRET",
    "LERNITO_OUTCOMES",
    "LERNITO_DATABASE_CA_FILE",
    "LERNITO_LOG_LEVEL",
)

DEFAULTS: dict[str, t.Any] = {
    "LERNITO_VERSION": __version__,
    # Another one is pulled instead of built; see images.py.
    "LERNITO_DOCKER_IMAGE": "docker.io/lernito-openedx:{{ LERNITO_VERSION }}",
    "LERNITO_MYSQL_DATABASE": "lernito",
    "LERNITO_MYSQL_USERNAME": "lernito",
    # verify or off; empty: without TLS, with a warning if MYSQL_HOST is a public host.
    "LERNITO_MYSQL_TLS": "",
    # The staff user of the LMS that owns both OAuth applications.
    "LERNITO_SERVICE_USERNAME": "lernito",
    "LERNITO_LMS_URL": "http://lms:8000",
    "LERNITO_LMS_CLIENT_ID": "lernito",
    "LERNITO_CONSOLE_CLIENT_ID": "lernito-console",
    # Lifts the LMS's limit of enrollment calls a minute, for everybody; that of enrollment_allowed stays. So the
    # service needs no limit of its own only while it enrolls by bulk_enroll, which the patch lms-env-features turns on.
    "LERNITO_LIFT_LMS_THROTTLE": False,
    "LERNITO_LMS_CALLS_PER_MINUTE": "{{ 0 if LERNITO_LIFT_LMS_THROTTLE else '' }}",
    # Tutor's Caddy, and the proxy before it if there is one.
    "LERNITO_TRUSTED_PROXIES": "{{ 1 if ENABLE_WEB_PROXY else 2 }}",
    # On Kubernetes.
    "LERNITO_REPLICAS": 1,
    "LERNITO_MAX_UNAVAILABLE": 1,
    **{name: "" for name in HANDED_ON},
}
