"""The German words of the desk behind every chat, and of the keeper of its cards."""

DESK = {
    "desk.noted": "Notiert",
    "desk.not_done": "Nicht getan",
    "desk.list": "Bitte sehr",
    "desk.busy": (
        "Zu viele Leute haben gleichzeitig etwas mit diesem Lauf gemacht. Es wurde nichts getan; versuch es noch einmal."
    ),
    "desk.config_broken": (
        "Die Konfiguration ist so nicht zu gebrauchen: Bitte jemanden, der diesen Bot betreibt, sie anzusehen."
    ),
    "desk.no_run": "Einen Lauf {run} gibt es hier nicht.",
    "desk.nobody_left": (
        "Die Agenten sind dran, aber niemand kann freigeben, was sie planen: Das dürfen nur {approvers}, und niemand gibt "
        "frei, was er selbst gewünscht oder geändert hat. Wer hier verwaltet, kann weitere Leute benennen, oder der "
        "Betreiber setzt approval.allow_author und approval.allow_requester."
    ),
    "desk.stopped": "Lauf {run} ist angehalten.",
    "desk.help": (
        "Frag nach etwas, und mehrere KI-Agenten planen es zusammen: Sie dürfen sich umsehen, aber nichts anfassen. "
        "Menschen sehen den Plan mit jedem Aufruf und jedem Argument, und genau das, was sie freigeben, wird getan."
    ),
    "desk.help_example": "Zum Beispiel: /massgen Schreib eine Zusammenfassung von Issue 276 in #allgemein",
    "runs.here": "Die neuesten Läufe hier",
    "runs.mine": "Deine neuesten Läufe",
    "runs.none": "Es gibt keine.",
    "runs.round": "Runde {number}",
    "pages.author.one": "Geschrieben von {author}: {count} Aufruf.",
    "pages.author.other": "Geschrieben von {author}: {count} Aufrufe.",
    "home.title": "Deine Läufe",
    "home.waiting": "Warten auf dich",
    "home.nothing_waits": "Nichts wartet auf dich.",
    "home.own": "Von dir gefragt",
    "home.config": "Konfiguration",
    "home.no_config": "Hier ist noch keine Konfiguration festgelegt.",
    "home.usage": "Hier in diesem Monat verbraucht",
    "home.runs.one": "{count} Lauf",
    "home.runs.other": "{count} Läufe",
}

ADMIN = {
    "config.list": "Die Konfigurationen, die hier erlaubt sind",
    "config.open": "Diese können Mitglieder hier verlangen",
    "config.none": "Es gibt keine: Wer diesen Bot betreibt, legt Dateien in seinen Ordner für Konfigurationen.",
    "config.from_asked": "Nach {name} wurde gefragt.",
    "config.from_channel": "Hier gilt {name}: Das wurde für diesen Kanal festgelegt.",
    "config.from_server": "Hier gilt {name}: Das wurde für alle Kanäle festgelegt.",
    "config.from_default": "Hier gilt {name}: Etwas anderes wurde nicht festgelegt.",
    "config.set_by": "festgelegt von {who}, {at}",
    "config.used_channel": "In diesem Kanal gilt ab jetzt {name}.",
    "config.used_server": "In allen Kanälen gilt ab jetzt {name}, außer wo ein Kanal etwas Eigenes hat.",
    "config.was_reset": "Das ist vergessen.",
    "config.usable": "{name} ist eine gute Konfiguration",
    "config.not_usable": "{name} ist so nicht zu gebrauchen",
    "config.unreadable": "Die Datei ist so nicht zu lesen; config check sagt, warum.",
    "approvers.set_channel": "Ab jetzt brauchen Pläne in diesem Kanal:",
    "approvers.set_server": ("Ab jetzt brauchen Pläne in allen Kanälen, außer wo ein Kanal eine eigene Regel hat:"),
    "approvers.was_reset": "Ab jetzt brauchen Pläne das, was ihre Konfiguration sagt.",
    "approvers.named": "Freigabe durch {names}",
    "approvers.required.one": "mindestens {count} Freigabe",
    "approvers.required.other": "mindestens {count} Freigaben",
    "approvers.requester_yes": "auch von der Person, die gefragt hat, wo die Konfiguration das erlaubt",
    "approvers.requester_no": "nicht von der Person, die gefragt hat",
    "freeze.set": "Angehalten: Hier beginnt kein freigegebener Aufruf, bis jemand, der hier verwaltet, thaw sagt. Pläne warten, Entscheidungen zählen.",
    "freeze.reset": "Freigegebene Aufrufe beginnen hier wieder.",
    "refuse.nothing_frozen": "Hier ist nichts angehalten.",
    "refuse.frozen_everywhere": "Der Betreiber hat alles angehalten, also beginnt auch hier nichts: Nur massgen-bot thaw nimmt das zurück.",
    "limits.title": "Was hier gefragt werden darf",
    "limits.at_once.one": "{count} Lauf gleichzeitig (at_once)",
    "limits.at_once.other": "{count} Läufe gleichzeitig (at_once)",
    "limits.waiting.one": "{count} Plan, der auf eine Entscheidung wartet (waiting)",
    "limits.waiting.other": "{count} Pläne, die auf eine Entscheidung warten (waiting)",
    "limits.each.one": "{count} Lauf einer Person gleichzeitig (each)",
    "limits.each.other": "{count} Läufe einer Person gleichzeitig (each)",
    "limits.hourly.one": "{count} Lauf pro Stunde und Person (hourly)",
    "limits.hourly.other": "{count} Läufe pro Stunde und Person (hourly)",
    "audit.title": "Was hier festgelegt und was abgelehnt wurde",
    "audit.none": "Es wurde nichts festgelegt und niemandem etwas verweigert.",
    "audit.of_run": "Wer über Lauf {run} was entschieden hat",
}

REFUSALS = {
    "refuse.elsewhere": "Du kannst nur auf dem Server oder in dem Workspace etwas verlangen, zu dem du gehörst.",
    "refuse.no_config": "Eine Konfiguration {name}, die hier erlaubt ist, gibt es nicht.",
    "refuse.not_open": (
        "{name} kannst du hier nicht wählen, nur: {names}. Wer hier verwaltet, gibt sie mit /massgen-admin config allow "
        "NAMEN frei."
    ),
    "refuse.no_default": (
        "Hier ist keine Konfiguration festgelegt. Wer hier verwaltet, wählt eine mit /massgen-admin config use NAME."
    ),
    "refuse.names_nobody": (
        "Die Freigaberegel nennt {names}, und so heißt hier niemand. Ein Admin kann mit `approvers` jemanden "
        "per Erwähnung festlegen."
    ),
    "refuse.name_not_unique": (
        "{name} heißen hier {number} Rollen oder Leute. Ein Admin muss mit `approvers` und einer Erwähnung sag"
        "en, wer gemeint ist, oder der Betreiber mit der Id."
    ),
    "refuse.name_unknown": ("Der Chat sagt gerade nicht, wer {name} ist. Versuch es noch einmal, oder nenn die Id."),
    "refuse.bad_approvers": (
        "„{text}“ ist hier nicht zu verstehen. Nenn Rollen und Leute so, wie du sie erwähnst, und wenn du willst, "
        "required=2 (1 bis 20) und requester=no; oder sag reset."
    ),
    "refuse.many_approvers": "Höchstens {most} Rollen und Leute können genannt werden.",
    "refuse.few_approvers.one": "{required} Freigaben sind verlangt, aber nur {count} Person ist genannt, die eine geben darf.",
    "refuse.few_approvers.other": (
        "{required} Freigaben sind verlangt, aber nur {count} Leute sind genannt, die eine geben dürfen."
    ),
    "refuse.bad_limits": (
        "„{text}“ ist hier nicht zu verstehen. Sag at_once=3 each=2 waiting=20 hourly=10, einen Teil davon, oder reset."
    ),
    "refuse.too_many_at_once.one": (
        "Hier ist schon {count} Lauf unterwegs; mehr sind nicht erlaubt. Frag noch einmal, wenn er zu Ende ist."
    ),
    "refuse.too_many_at_once.other": (
        "Hier sind schon {count} Läufe unterwegs; mehr sind nicht erlaubt. Frag noch einmal, wenn einer zu Ende ist."
    ),
    "refuse.too_many_each.one": (
        "Von dir ist schon {count} Lauf unterwegs; mehr sind pro Person nicht erlaubt. Frag noch einmal, wenn er zu Ende ist."
    ),
    "refuse.too_many_each.other": (
        "Von dir sind schon {count} Läufe unterwegs; mehr sind pro Person nicht erlaubt. Frag noch einmal, wenn einer zu "
        "Ende ist."
    ),
    "refuse.too_many_waiting.one": (
        "Hier wartet schon {count} Plan auf eine Entscheidung; mehr sind nicht erlaubt. Entscheidet erst über ihn."
    ),
    "refuse.too_many_waiting.other": (
        "Hier warten schon {count} Pläne auf eine Entscheidung; mehr sind nicht erlaubt. Entscheidet erst über einige."
    ),
    "refuse.too_many_hourly.one": (
        "Du hast in einer Stunde schon nach {count} Lauf gefragt; mehr sind nicht erlaubt. Frag später noch einmal."
    ),
    "refuse.too_many_hourly.other": (
        "Du hast in einer Stunde schon nach {count} Läufen gefragt; mehr sind nicht erlaubt. Frag später noch einmal."
    ),
    "refuse.ambiguous_run": "Mehrere Läufe fangen mit {prefix} an: {names}. Tipp mehr vom Namen.",
    "refuse.no_button": "Einen solchen Knopf gibt es hier nicht. Es wurde nichts getan.",
    "refuse.superseded_card": "Diese Karte ist veraltet; für Lauf {run} gibt es eine neuere. Es wurde nichts getan.",
    "refuse.older_doubt": (
        "Hier ging es um einen früheren Zweifel; sieh dir die Karte an, wie sie jetzt ist. Es wurde nichts getan."
    ),
    "refuse.not_admin": "Das können nur Leute, die hier verwalten, und solche, die der Betreiber genannt hat.",
    "refuse.no_such_verb": "Einen Befehl {verb} gibt es nicht.",
    "refuse.nothing_set": "Dort war nichts festgelegt, also gibt es nichts zu vergessen.",
    "refusal.anyone": "alle hier",
    "refusal.expired": "Dieser Plan ist abgelaufen, also wird nichts davon ausgeführt. Frag nach einem neuen.",
    "refusal.denied_now": (
        "Die Regeln, die hier jetzt gelten, verbieten einen Aufruf dieses Plans. Verlange Änderungen, oder lehne ihn ab."
    ),
    "refusal.stricter_now": (
        "Die Regeln, die hier jetzt gelten, sind strenger als bei der Freigabe dieses Plans oder verbieten einen Aufruf davon, "
        "also wird nichts mehr davon ausgeführt. Sag, dass es passiert ist, oder hör hier auf."
    ),
    "refusal.rules_unreadable": (
        "Die Regeln, die hier jetzt gelten, sind nicht lesbar; nichts kann freigegeben werden. Wer den Bot betreibt, muss die Konfiguration reparieren."
    ),
    "refusal.still_under_way": (
        "Der erste Versuch dieses Aufrufs kann noch laufen, also kann man ihn noch nicht wiederholen lassen. Warte auf sein "
        "Zeitlimit, oder sag, dass er geschehen ist."
    ),
    "refusal.stored_config_changed": (
        "Die gespeicherte Konfiguration dieses Laufs wurde nach seinem Beginn geändert, also wird nichts davon ausgeführt. Der "
        "Betreiber muss herausfinden, wer in die Datenbank geschrieben hat: massgen-bot audit verify."
    ),
    "refusal.approvers_unreadable": (
        "Ob alle, die schon freigegeben haben, das noch dürfen, ist gerade nicht zu erfahren. Versuch es in einer Minute noch einmal."
    ),
    "refusal.stale_plan": "Das ist nicht der Plan, der jetzt wartet. Sieh dir den neuesten an und entscheide über ihn.",
    "refusal.already_decided": "Es hat schon jemand entschieden: {state}.",
    "refusal.already_said": "Du hast das schon gesagt; {required} verschiedene Leute müssen es tun.",
    "refusal.already_approved": "Du hast schon freigegeben; {required} verschiedene Leute müssen es tun.",
    "refusal.not_an_approver": "Über diesen Plan entscheiden dürfen nur: {approvers}.",
    "refusal.own_request": "Du hast selbst gefragt, also muss jemand anderes entscheiden: {approvers}.",
    "refusal.own_words": (
        "Dieser Plan folgt deinen Worten, also muss jemand anderes entscheiden: {approvers}. "
        "Mit approval.allow_author kann der Betreiber es erlauben."
    ),
    "refusal.nobody_left": (
        "Einen Plan, der deinen Worten folgt, könnte niemand freigeben: Das dürfen nur {approvers}, und niemand gibt frei, "
        "was er selbst gewünscht hat. Lass es jemand anderen sagen, oder bitte den Betreiber um approval.allow_author."
    ),
    "refusal.other_tenant": "Einen solchen Lauf gibt es hier nicht.",
    "refusal.nothing_to_decide": "Es gibt nichts zu entscheiden: {state}.",
    "refusal.nothing_to_cancel": "Es gibt nichts abzubrechen: {state}.",
    "refusal.doubt_first": (
        "Ein Aufruf dieses Laufs ist vielleicht passiert, vielleicht auch nicht. Sag, was daraus geworden ist, oder hör "
        "dort auf."
    ),
    "refusal.nothing_to_resolve": "Kein Aufruf dieses Laufs wartet auf ein solches Wort.",
    "refusal.not_yours": (
        "Diesen Lauf abbrechen dürfen nur {requester}, jemand, der freigeben darf, oder jemand, der hier verwaltet."
    ),
    "refusal.external": (
        "Hier entscheiden nur Vollmitglieder. Für Gäste, Bots und Leute aus anderen Organisationen muss ein Betreiber "
        "approval.external in der Konfiguration setzen."
    ),
    "refusal.external_ask": (
        "Hier können nur Vollmitglieder einen Lauf starten. Für Gäste, Bots und Leute aus anderen Organisationen muss "
        "ein Betreiber ask.external in der Konfiguration setzen."
    ),
    "refusal.by_tool_server": (
        "Diesen Befehl hat ein Werkzeugserver gestartet, und Werkzeugserver entscheiden nichts. Ein Mensch muss in einem "
        "Terminal oder im Chat entscheiden; ein Skript braucht {variable} (`massgen-bot docs security`)."
    ),
    "refusal.by_nobody": (
        "Dieser Befehl hat kein Terminal; ob ein Mensch entscheidet, ist so nicht zu erkennen. Führ ihn in einem Terminal "
        "aus; ein Skript braucht {variable} (`massgen-bot docs security`)."
    ),
    "refusal.empty_change": "Sag, was anders sein soll: Der Änderungswunsch ist leer.",
    "refusal.empty_prompt": "Sag, was die Agenten tun sollen: Der Auftrag ist leer.",
    "refusal.long_prompt": "Der Auftrag ist länger als {most} Zeichen; mehr ist nicht erlaubt. Kürz ihn.",
}

KEEPER = {
    "keeper.too_large": (
        "Diese Karte kann nicht den ganzen Plan zeigen, und eine Datei auch nicht: Niemand kann ihn hier freigeben."
    ),
    "keeper.superseded": "Veraltet",
    "keeper.superseded_line": "Für Lauf {run} gibt es eine neuere Karte. Diese hier bewirkt nichts mehr.",
    "keeper.thread": "{prompt}",
    "keeper.story": "Was passiert ist",
    "keeper.follow_up": "Um hier weiterzumachen, erwähne mich in diesem Thread.",
    "keeper.reminder": "Wartet noch",
    "keeper.reminder_new": "Lauf {run} hat einen Plan, der bis {until} auf deine Entscheidung wartet.",
    "keeper.reminder_half": "Der Plan des Laufs {run} wartet bis {until} auf eine Entscheidung.",
    "keeper.reminder_last": "Der Plan des Laufs {run} läuft ab: {until}. Noch hat niemand entschieden.",
    "keeper.doubt_line": "Sieh nach, ob es passiert ist, und sag es auf der Karte des Laufs {run}.",
    "keeper.outcome": "Zu deinem Lauf {run}",
    "keeper.forbidden": "Die Karte des Laufs {run} kann ich dort nicht zeigen. {reason}",
}
