"""Questions to a node's worker, which alone may read its logs and mailboxes. The answer comes as a row."""

from __future__ import annotations

from qmailux_site.broker import tell_worker


def ask(account_id: int) -> None:
    """What is wrong with this account? A dead broker means that nobody answers."""
    from provisioning.tasks import node_inspect_account

    otherwise = f"nobody inspects account={account_id}"
    tell_worker(node_inspect_account, account_id, otherwise=otherwise, expires_seconds=30)


def ask_for_letters() -> None:
    """Somebody waits for a letter. A dead broker means that it goes with the next sweep."""
    from provisioning.tasks import node_send_recovery

    tell_worker(node_send_recovery, otherwise="letters wait for the sweep", expires_seconds=30)
