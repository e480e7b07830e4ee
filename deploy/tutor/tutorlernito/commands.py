"""What the plugin adds to Tutor's command line."""

from __future__ import annotations

import typing as t

import click
from tutor import config as tutor_config
from tutor import exceptions, fmt
from tutor.commands.context import Context

from .environment import public_url, text
from .settings import UNIQUE


def require_saved_secrets(root: str) -> None:
    """
    Throws TutorError while a secret is not in config.yml: `tutor plugins enable` doesn't save what it has drawn, and
    each command would draw another one.
    """
    saved = tutor_config.get_user(root)
    if any(name not in saved for name in UNIQUE):
        raise exceptions.TutorError(
            "The secrets of the lernito plugin are not saved yet. Run: tutor config save\n"
            "Then start the platform again, so that all of its parts have the same ones, and repeat this command."
        )


def before_job(job: str, *_args: t.Any, limit: str | None = None, **_kwargs: t.Any) -> None:
    """Keeps a job of ours from working with secrets that are drawn for it alone."""
    if job == "lernito-doctor" or (job == "init" and limit in (None, "lernito")):
        require_saved_secrets(click.get_current_context().obj.root)


@click.command(name="lernito-doctor", short_help="Check Lernito's webhook service and its connections")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON")
def doctor(as_json: bool) -> t.Iterable[tuple[str, str]]:
    """
    Check settings, database and LMS, and say how to fix each failure.
    """
    yield ("lernito", "node bin/lernito-openedx.js doctor" + (" --json" if as_json else ""))


@click.group(name="lernito", short_help="Lernito, the course shop")
def lernito() -> None:
    """
    Lernito, the course shop.
    """


@lernito.command(short_help="Print the URL and the secret to enter in Lernito")
@click.pass_obj
def info(context: Context) -> None:
    """
    Print the URL and the secret to enter in Lernito, and the address of the console.
    """
    require_saved_secrets(context.root)
    config = tutor_config.load(context.root)
    url = public_url(config.__getitem__)
    secret = text(config.__getitem__, "LERNITO_WEBHOOK_SECRET")
    fmt.echo(f"Webhook URL      {url}/api/lernito/webhook/")
    fmt.echo(f"Webhook secret   {secret}")
    fmt.echo(f"Console          {url}/lernito/console/")
    if not config["ENABLE_HTTPS"]:
        fmt.echo(f"In tutor dev both addresses begin with {public_url(config.__getitem__, dev=True)}.")
