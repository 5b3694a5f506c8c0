"""Why an account was stopped, in people's words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from enforcement.braking import Incident


def why(incident: Incident) -> str:
    numbers = {"found": incident.found, "threshold": incident.threshold, "reason": incident.reason}
    sentences = {
        Incident.Measure.MESSAGES: _(
            "%(found)d messages to strangers within an hour; up to %(threshold)d are let through"
        ),
        Incident.Measure.RECIPIENTS: _(
            "mail to %(found)d different strangers within an hour; up to %(threshold)d are let through"
        ),
        Incident.Measure.BOUNCES: _(
            "%(found)d %% of an hour's mail came back; up to %(threshold)d %% are let through"
        ),
        Incident.Measure.SPAM: _(
            "%(found)d messages within an hour look like spam; up to %(threshold)d are let through"
        ),
        Incident.Measure.PERSON: _("stopped by hand: %(reason)s"),
    }
    return sentences[Incident.Measure(incident.measure)] % numbers
