# managed by QmaiLux: changes made here are overwritten
require ["date", "envelope", "relational", "vacation", "vacation-seconds", "variables"];

if allof (
    currentdate :zone "+0000" :value "ge" "iso8601" "2026-07-01T22:00:00",
    currentdate :zone "+0000" :value "lt" "iso8601" "2026-07-15T22:00:00",
    not header :is "X-Spam-Flag" "YES",
    not anyof (exists "List-Unsubscribe", exists "X-Autoreply", exists "X-Autorespond"),
    not header :contains "X-Auto-Response-Suppress" ["All", "OOF", "AutoReply"],
    not anyof (
        address :localpart :matches "From" ["noreply*", "no-reply*", "no_reply*", "donotreply*", "do-not-reply*", "do_not_reply*", "*-noreply", "*-no-reply"],
        envelope :localpart :matches "from" ["noreply*", "no-reply*", "no_reply*", "donotreply*", "do-not-reply*", "do_not_reply*", "*-noreply", "*-no-reply"]
    )
) {
    set "memory" "qmailux-2";
    if envelope :is "from" "ola@obcy.example" { set "memory" "qmailux-2-1"; }
    vacation :seconds 129600 :handle "${memory}"
        :from "=?utf-8?q?Jan_=C5=BBak?= <jan@firma.test>"
        :addresses ["biuro@firma.test", "jan@firma.test"]
        :subject "Urlop – wrócę"
        :mime "Content-Type: text/plain; charset=\"utf-8\"
Content-Transfer-Encoding: quoted-printable

Cena $${_}{1}
.
\"cytat\" i \\";
}
