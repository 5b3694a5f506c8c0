"""Languages that the spam check can tell apart (SpamAssassin's TextCat), by ISO 639 code."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

LANGUAGES = {
    "pl": _("Polish"),
    "en": _("English"),
    "de": _("German"),
    "uk": _("Ukrainian"),
    "ru": _("Russian"),
    "cs": _("Czech"),
    "sk": _("Slovak"),
    "lt": _("Lithuanian"),
    "fr": _("French"),
    "es": _("Spanish"),
    "it": _("Italian"),
    "pt": _("Portuguese"),
    "nl": _("Dutch"),
    "da": _("Danish"),
    "sv": _("Swedish"),
    "no": _("Norwegian"),
    "fi": _("Finnish"),
    "hu": _("Hungarian"),
    "ro": _("Romanian"),
    "bg": _("Bulgarian"),
    "el": _("Greek"),
    "tr": _("Turkish"),
    "ar": _("Arabic"),
    "he": _("Hebrew"),
    "zh": _("Chinese"),
    "ja": _("Japanese"),
    "ko": _("Korean"),
    "vi": _("Vietnamese"),
    "th": _("Thai"),
}
