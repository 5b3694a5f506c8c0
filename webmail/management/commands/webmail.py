"""manage.py webmail: which webmails there are and are offered, and the key of the sign-in tokens."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import CommandError

from accounts.actor import Actor
from provisioning.models import SERVER_SCOPE, Node
from provisioning.secrets import begin_rotation, finish_rotation, seconds_since_rotation
from provisioning.tasks import applier_for
from qmailux_site.console import Fact, SubcommandCommand, add_json
from webmail.actions import delete_webmail, save_webmail, switch_webmail
from webmail.catalogue import catalogue
from webmail.models import Webmail
from webmail.tokens import SECONDS

# Option -> field of the adapter.
ADAPTER = (
    "login_path",
    "post_path",
    "landing_path",
    "user_field",
    "password_field",
    "token_pattern",
    "token_field",
    "success_pattern",
    "cookie_names",
    "closed_folders",
)


class Command(SubcommandCommand):
    help = "List, add, switch and delete webmails; renew the key of the sign-in tokens."
    verbs: ClassVar[dict[str, str]] = {
        "list": "every webmail: name, title, kind, whether it is offered",
        "add": "add one that lies in a folder or at an address",
        "enable": "offer one",
        "disable": "offer one no longer",
        "delete": "forget one; its folder stays",
        "rotate-key": "sign sign-in tokens by a new key; sessions that run go on (as root)",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def add_enable_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    add_disable_arguments = add_enable_arguments

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="as in its address: /webmail/NAME/")
        parser.add_argument("--title", required=True)
        parser.add_argument("--kind", required=True, choices=["squirrelmail", "folder", "address"])
        parser.add_argument("--method", choices=["form", "link"], default="form")
        parser.add_argument("--folder", default="")
        parser.add_argument("--address", default="")
        for name in ADAPTER:
            parser.add_argument(f"--{name.replace('_', '-')}", default="")
        parser.add_argument(
            "--field", action="append", default=[], metavar="NAME=TEXT", help="a further field of its form"
        )

    def add_rotate_key_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--now", action="store_true", help="though the last time is not an hour ago: ends what it signed"
        )

    def verb_list(self, options: dict[str, Any]) -> None:
        rows: list[dict[str, Fact]] = [
            {
                "name": webmail.name,
                "title": webmail.title,
                "kind": webmail.kind,
                "offered": webmail.is_offered,
                "where": webmail.folder or webmail.address,
            }
            for webmail in catalogue()
        ]
        self.show(rows, as_json=options["json"])

    def verb_add(self, options: dict[str, Any]) -> None:
        extra = dict(text.partition("=")[::2] for text in options["field"])
        adapter = {name: options[name] for name in ADAPTER}
        webmail = Webmail(
            name=options["name"],
            title=options["title"],
            kind=options["kind"],
            method=options["method"],
            folder=options["folder"],
            address=options["address"],
            extra_fields=extra,
            **adapter,
        )
        save_webmail(webmail, by=Actor.console())
        self.stdout.write(f"added: {webmail.path}")
        self.say_life(SERVER_SCOPE, "*")

    def verb_enable(self, options: dict[str, Any]) -> None:
        switch_webmail(options["name"], is_offered=True, by=Actor.console())
        self.stdout.write(f"{options['name']}: offered")
        self.say_life(SERVER_SCOPE, "*")

    def verb_disable(self, options: dict[str, Any]) -> None:
        switch_webmail(options["name"], is_offered=False, by=Actor.console())
        self.stdout.write(f"{options['name']}: not offered")
        self.say_life(SERVER_SCOPE, "*")

    def verb_delete(self, options: dict[str, Any]) -> None:
        self.confirm(f"Delete the webmail {options['name']}?", yes=options["yes"])
        delete_webmail(options["name"], by=Actor.console())
        self.stdout.write(f"deleted: {options['name']}")

    def verb_rotate_key(self, options: dict[str, Any]) -> None:
        """The nodes know the new key before the panel signs by it."""
        layout = settings.QMAILUX_LAYOUT
        if not options["now"] and seconds_since_rotation(layout) < SECONDS:
            raise CommandError(
                "The last key is less than an hour old: its place would be taken while its tokens are in use."
                " --now does it all the same."
            )
        private = begin_rotation(layout)
        for node in Node.objects.all():
            applier_for(node).apply_all(trigger="key")
        finish_rotation(layout, private)
        self.stdout.write("Sign-in tokens are signed by a new key.")
