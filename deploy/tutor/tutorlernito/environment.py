"""The environment of the service's container."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from tutor import exceptions

from .settings import HANDED_ON

PORT = 8790

#: How long the service keeps serving after SIGTERM: longer than the interval at which Caddy asks for /readyz.
DRAIN_MS = 2000


def container_environment(get: t.Callable[[str], t.Any], *, dev: bool = False) -> dict[str, str]:
    """
    The one place where the environment is made, for compose, jobs and Kubernetes alike, so that they can't drift.

    `get` gives a Tutor setting by its name. `dev` is for `tutor dev`, where no Caddy runs and each service has a port
    of its own. Settings that are empty are left out: the service has its own defaults.

    Throws TutorError if the webhook secret is no text.
    """
    values = {
        "LERNITO_HOST": "0.0.0.0",
        "LERNITO_PORT": PORT,
        "LERNITO_PUBLIC_URL": public_url(get, dev=dev),
        "LERNITO_TRUSTED_PROXIES": 0 if dev else get("LERNITO_TRUSTED_PROXIES"),
        "LERNITO_DRAIN_MS": 0 if dev else DRAIN_MS,
        "LERNITO_DATABASE_URL": _database_url(get),
        "LERNITO_WEBHOOK_SECRET": text(get, "LERNITO_WEBHOOK_SECRET"),
        "LERNITO_WEBHOOK_SECRET_PREVIOUS": text(get, "LERNITO_WEBHOOK_SECRET_PREVIOUS"),
        "LERNITO_LMS_URL": get("LERNITO_LMS_URL"),
        "LERNITO_LMS_PUBLIC_URL": lms_public_url(get, dev=dev),
        "LERNITO_LMS_CLIENT_ID": get("LERNITO_LMS_CLIENT_ID"),
        "LERNITO_LMS_CLIENT_SECRET": get("LERNITO_LMS_CLIENT_SECRET"),
        "LERNITO_LMS_CALLS_PER_MINUTE": get("LERNITO_LMS_CALLS_PER_MINUTE"),
        "LERNITO_CONSOLE_CLIENT_ID": get("LERNITO_CONSOLE_CLIENT_ID"),
        "LERNITO_CONSOLE_CLIENT_SECRET": get("LERNITO_CONSOLE_CLIENT_SECRET"),
    }
    for name in HANDED_ON:
        values.setdefault(name, get(name))
    return {name: word(value) for name, value in values.items() if word(value) != ""}


def word(value: t.Any) -> str:
    """A value as the service reads it. YAML reads on and off as truth values, and a name without a value as None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def public_url(get: t.Callable[[str], t.Any], *, dev: bool = False) -> str:
    """Where the shop and the operators reach the service, without a slash at the end."""
    return f"http://{get('LMS_HOST')}:{PORT}" if dev else lms_public_url(get)


def lms_public_url(get: t.Callable[[str], t.Any], *, dev: bool = False) -> str:
    """Where people's browsers reach the LMS, without a slash at the end."""
    if dev:
        return f"http://{get('LMS_HOST')}:8000"
    return f"{'https' if get('ENABLE_HTTPS') else 'http'}://{get('LMS_HOST')}"


def redirect_uris(get: t.Callable[[str], t.Any]) -> list[str]:
    """Where the LMS may send a browser after the console's sign-in: never to plain HTTP if the site has HTTPS."""
    places = (False,) if get("ENABLE_HTTPS") else (False, True)
    # In small letters, as the service sends it: the LMS compares the two as text.
    return [f"{public_url(get, dev=dev).lower()}/lernito/console/callback" for dev in places]


def _database_url(get: t.Callable[[str], t.Any]) -> str:
    user, password, database = (
        quote(str(get(f"LERNITO_MYSQL_{part}")), safe="") for part in ("USERNAME", "PASSWORD", "DATABASE")
    )
    tls = word(get("LERNITO_MYSQL_TLS"))
    query = f"?tls={tls}" if tls else ""
    host = str(get("MYSQL_HOST"))
    if ":" in host:
        # An address of IPv6, which Open edX takes as it is, and a URL in brackets.
        host = f"[{host}]"
    return f"mysql://{user}:{password}@{host}:{get('MYSQL_PORT')}/{database}{query}"


def text(get: t.Callable[[str], t.Any], name: str) -> str:
    """The value of a secret. Throws TutorError if YAML has read it as something else than a text."""
    value = get(name)
    if not isinstance(value, str):
        # YAML has read it as a number or a truth value: 0123 has become 83, and every signature would be refused.
        raise exceptions.TutorError(
            f"{name} was not read as a text. Write quotes within quotes: tutor config save --set \"{name}='...'\""
        )
    return value
