"""The audit in people's words. What has none yet is shown by its own name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from audit.details import details_of

if TYPE_CHECKING:
    from audit.models import AuditEvent

ACTIONS = {
    "account.added": gettext_lazy("Account added"),
    "account.answered_forgotten": gettext_lazy("Somebody is answered anew"),
    "account.autoresponder_ended": gettext_lazy("Autoresponder ended on its day"),
    "account.autoresponder_forgot": gettext_lazy("Autoresponder answers everybody anew"),
    "account.autoresponder_set": gettext_lazy("Autoresponder set"),
    "account.deleted": gettext_lazy("Account deleted"),
    "account.edited": gettext_lazy("Account changed"),
    "account.filter_added": gettext_lazy("Filter added"),
    "account.filter_deleted": gettext_lazy("Filter deleted"),
    "account.filter_edited": gettext_lazy("Filter changed"),
    "account.filter_moved": gettext_lazy("Filter moved"),
    "account.filter_switched": gettext_lazy("Filter switched"),
    "account.forwarding_set": gettext_lazy("Forwarding set"),
    "account.hash_upgraded": gettext_lazy("Stored password renewed"),
    "account.departure_ended": gettext_lazy("Departure ended on its day"),
    "account.left": gettext_lazy("Somebody left: mail handed over"),
    "account.locked": gettext_lazy("Account locked"),
    "account.mail_copied": gettext_lazy("Mail of somebody who left copied"),
    "account.password_changed": gettext_lazy("Password changed"),
    "account.recovery_address_asked": gettext_lazy("Recovery address given, not confirmed yet"),
    "account.recovery_address_removed": gettext_lazy("Recovery address removed"),
    "account.recovery_address_set": gettext_lazy("Recovery address set"),
    "account.recovery_code_made": gettext_lazy("One-time code made"),
    "account.recovery_link_sent": gettext_lazy("Link to a new password mailed"),
    "account.renamed": gettext_lazy("Account renamed"),
    "account.reset_started": gettext_lazy("Link for a new password asked for"),
    "account.restored": gettext_lazy("Account restored"),
    "account.second_factor_off": gettext_lazy("Two-step login turned off"),
    "account.second_factor_on": gettext_lazy("Two-step login turned on"),
    "account.sending_allowed": gettext_lazy("Account may send again"),
    "account.sending_stopped": gettext_lazy("Account stopped from sending"),
    "account.unlocked": gettext_lazy("Account unlocked"),
    "accounts.import_refused": gettext_lazy("Bulk file refused"),
    "accounts.imported": gettext_lazy("Accounts added in bulk"),
    "alarm.acknowledged": gettext_lazy("Alarm acknowledged"),
    "alarm.settings_set": gettext_lazy("Who is told of alarms: set"),
    "alarm.tested": gettext_lazy("Alarms tested"),
    "alias.added": gettext_lazy("Alias added"),
    "alias.changed": gettext_lazy("Alias changed"),
    "alias.deleted": gettext_lazy("Alias deleted"),
    "aliases.import_refused": gettext_lazy("Bulk file of aliases refused"),
    "aliases.imported": gettext_lazy("Aliases added in bulk"),
    "app_password.added": gettext_lazy("App password made"),
    "app_password.revoked": gettext_lazy("App password revoked"),
    "quarantine.begun": gettext_lazy("Sent by the address for suspected mail"),
    "quarantine.ended": gettext_lazy("Sent as before again"),
    "brake.set": gettext_lazy("Thresholds of the brake set"),
    "dkim.key_added": gettext_lazy("DKIM key made"),
    "dkim.key_deleted": gettext_lazy("DKIM key deleted"),
    "dkim.signing": gettext_lazy("DKIM key signs"),
    "block.added": gettext_lazy("Address blocked"),
    "block.lifted": gettext_lazy("Address free again"),
    "certificate.answered": gettext_lazy("Signed certificate taken"),
    "certificate.deleted": gettext_lazy("Certificate deleted"),
    "certificate.fetched_again": gettext_lazy("Certificate asked for again"),
    "certificate.ordered": gettext_lazy("Certificate ordered"),
    "certificate.uploaded": gettext_lazy("Certificate uploaded"),
    "domain.added": gettext_lazy("Domain added"),
    "domain.addresses_set": gettext_lazy("Domain's own addresses set"),
    "domain.deleted": gettext_lazy("Domain deleted"),
    "domain.edited": gettext_lazy("Domain changed"),
    "domain.hosted_here": gettext_lazy("Domain's mail kept here again"),
    "domain.locked": gettext_lazy("Domain locked"),
    "domain.managers_set": gettext_lazy("Postmasters set"),
    "domain.relayed": gettext_lazy("Domain passed on to another server"),
    "domain.smarthost_removed": gettext_lazy("Domain's smarthost removed"),
    "domain.smarthost_set": gettext_lazy("Domain's smarthost set"),
    "domain.unlocked": gettext_lazy("Domain unlocked"),
    "domain_alias.added": gettext_lazy("Domain alias added"),
    "domain_alias.deleted": gettext_lazy("Domain alias deleted"),
    "encryption.began": gettext_lazy("Encryption became mandatory as planned"),
    "encryption.no_longer_required": gettext_lazy("Encryption no longer mandatory"),
    "encryption.required": gettext_lazy("Encryption made mandatory"),
    "impersonation.ended": gettext_lazy("Acting for somebody ended"),
    "impersonation.started": gettext_lazy("Acting for somebody started"),
    "impersonation.writing": gettext_lazy("Acting for somebody: writing allowed"),
    "ip_address.added": gettext_lazy("IP address added"),
    "ip_address.came": gettext_lazy("IP address is on the machine again"),
    "ip_address.deleted": gettext_lazy("IP address deleted"),
    "ip_address.edited": gettext_lazy("IP address changed"),
    "ip_address.listed": gettext_lazy("Block lists that name an IP address"),
    "ip_address.made_default": gettext_lazy("IP address made the default"),
    "ip_address.no_longer_default": gettext_lazy("IP address no longer the default"),
    "ip_address.went": gettext_lazy("IP address is no longer on the machine"),
    "mailbox.purged": gettext_lazy("Deleted mail erased"),
    "notification.number_asked": gettext_lazy("Number for SMS given, not confirmed yet"),
    "notification.number_set": gettext_lazy("Number for SMS set"),
    "notification.removed": gettext_lazy("SMS about new mail ended"),
    "notification.set": gettext_lazy("SMS about new mail set"),
    "operator.added": gettext_lazy("Operator added"),
    "protection.allowed": gettext_lazy("Network or sender let past the protections"),
    "protection.not_allowed": gettext_lazy("Network or sender meets the protections again"),
    "protection.domain_set": gettext_lazy("Protections of a domain set"),
    "protection.set": gettext_lazy("Protection set"),
    "protection.update_asked": gettext_lazy("Signatures or rules looked for"),
    "queue.delete": gettext_lazy("Queued messages deleted"),
    "queue.flush": gettext_lazy("Queued messages tried again"),
    "queue.hold": gettext_lazy("Queued messages held"),
    "queue.read": gettext_lazy("Queued message read"),
    "queue.release": gettext_lazy("Held messages released"),
    "queue.requeue": gettext_lazy("Queued messages queued anew"),
    "role.granted": gettext_lazy("Role given"),
    "role.revoked": gettext_lazy("Role taken away"),
    "sending.limit_set": gettext_lazy("Sending limit set"),
    "remote_encryption.deleted": gettext_lazy("Encryption to another server: rule deleted"),
    "remote_encryption.set": gettext_lazy("Encryption to another server: rule set"),
    "server.locked": gettext_lazy("Whole server locked"),
    "server.smarthost_removed": gettext_lazy("Server's smarthost removed"),
    "server.smarthost_set": gettext_lazy("Server's smarthost set"),
    "server.unlocked": gettext_lazy("Whole server unlocked"),
    "session.revoked": gettext_lazy("Panel session ended"),
    "smtp_debug.ended": gettext_lazy("Dialogues of a client no longer logged"),
    "smtp_debug.started": gettext_lazy("Dialogues of a client logged"),
    "sms_gateway.deleted": gettext_lazy("SMS gateway deleted"),
    "sms_gateway.saved": gettext_lazy("SMS gateway saved"),
    "sms_gateway.tried": gettext_lazy("SMS gateway tried"),
    "spam.preference_set": gettext_lazy("Spam settings set"),
    "spam.sender_removed": gettext_lazy("Sender taken off a list"),
    "spam.senders_added": gettext_lazy("Senders put on a list"),
    "spam.taught_ham": gettext_lazy("Learned from wanted mail"),
    "spam.taught_spam": gettext_lazy("Learned from spam"),
    "spam.teaching_asked": gettext_lazy("Message to be learned"),
    "spam.undo_requested": gettext_lazy("Learning taken back"),
    "webmail.added": gettext_lazy("Webmail added"),
    "webmail.changed": gettext_lazy("Webmail changed"),
    "webmail.deleted": gettext_lazy("Webmail deleted"),
    "webmail.opened": gettext_lazy("Webmail opened"),
    "webmail.preference_set": gettext_lazy("Choice and brand of webmails set"),
    "webmail.switched": gettext_lazy("Webmail switched"),
}
ROLES = {
    "superadmin": gettext_lazy("superadmin"),
    "postmaster": gettext_lazy("postmaster"),
    "help_desk": gettext_lazy("help desk"),
    "auditor": gettext_lazy("auditor"),
    "user": gettext_lazy("user"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a page shows it."""

    event: AuditEvent
    action: str
    role: str
    details: list[tuple[str, str]]


def told(event: AuditEvent) -> Told:
    return Told(event, action_in_words(event.action), role_in_words(event), list(details_of(event.details)))


def action_in_words(action: str) -> str:
    return str(ACTIONS.get(action, action))


def role_in_words(event: AuditEvent) -> str:
    return str(ROLES.get(event.role, event.role))
