from __future__ import annotations

from django.apps import AppConfig


class EnforcementConfig(AppConfig):
    name = "enforcement"

    def ready(self) -> None:
        """The panel's door has closed for somebody: it stands in the list of blocked addresses."""
        from axes.signals import user_locked_out

        user_locked_out.connect(_note_closed_door, dispatch_uid="enforcement.panel_guessing")


def _note_closed_door(sender: object, username: str = "", ip_address: str = "", **_rest: object) -> None:
    from accounts.actor import Actor
    from enforcement.actions import note_panel_guessing

    if username and ip_address:
        note_panel_guessing(address=ip_address, login=username, by=Actor.task())
