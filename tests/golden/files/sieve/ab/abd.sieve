# managed by QmaiLux: changes made here are overwritten
require ["date", "envelope", "relational", "vacation", "vacation-seconds"];

require ["variables"];


if allof (
    currentdate :value "ge" "date" "2026-07-01",
    currentdate :value "le" "date" "2026-07-14",
    not header :is "X-Spam-Flag" "YES",
    not exists "List-Unsubscribe",
    not header :contains "X-Auto-Response-Suppress" ["All", "OOF", "AutoReply"],
    not anyof (
        address :localpart :matches "From" ["noreply*", "no-reply*", "no_reply*", "donotreply*", "do-not-reply*", "do_not_reply*", "*-noreply", "*-no-reply"],
        envelope :localpart :matches "from" ["noreply*", "no-reply*", "no_reply*", "donotreply*", "do-not-reply*", "do_not_reply*", "*-noreply", "*-no-reply"]
    )
) {
    vacation :seconds 129600 :handle "qmailux-2"
        :from "=?utf-8?q?Jan_=C5=BBak?= <jan@firma.test>"
        :addresses ["biuro@firma.test", "jan@firma.test"]
        :subject "Urlop – wrócę"
        "Cena $${_}{1}
.
\"cytat\" i \\";
}
