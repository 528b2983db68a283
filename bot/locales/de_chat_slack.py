"""The German words that only Slack needs."""

SLACK = {
    "slack.cut.prose": "… {number} weitere Zeichen",
    "slack.cut.argument": "… {number} Zeichen davon stehen nur in plan.md …",
    "slack.cut.calls.one": "… und {count} weiterer Aufruf, nur in plan.md",
    "slack.cut.calls.other": "… und {count} weitere Aufrufe, nur in plan.md",
    "slack.cut.receipts.one": "… und {count} weiterer Aufruf",
    "slack.cut.receipts.other": "… und {count} weitere Aufrufe",
    "slack.cut.lines.one": "… und {count} weiterer",
    "slack.cut.lines.other": "… und {count} weitere",
    "slack.files.attached": "Zu lang für eine Nachricht: {number} Zeichen stehen nur in den Dateien im Thread, ",
    "slack.files.pending": (
        "Dieser Plan ist zu lang für eine Nachricht. Er lässt sich freigeben, sobald seine Dateien im Thread sind."
    ),
    "slack.files.elsewhere": (
        "Zu lang für eine Nachricht: {number} Zeichen davon stehen nur in plan.md, im Thread der Karte des Laufs."
    ),
    "slack.files.failed": (
        "Dieser Plan lässt sich hier nicht freigeben: Er ist zu lang für eine Nachricht, und seine Dateien ließen sich "
        "nicht anhängen. {reason}"
    ),
    "slack.agents": "Agenten",
    "slack.confirm.no": "Noch nicht",
    "slack.modal.reason.title": "Plan ablehnen",
    "slack.modal.reason.label": "Begründung",
    "slack.modal.reason.submit": "Ablehnen",
    "slack.modal.change.title": "Änderungen anfordern",
    "slack.modal.change.label": "Was soll anders sein?",
    "slack.modal.change.submit": "Abschicken",
    "slack.modal.close": "Schließen",
    "slack.modal.details.title": "Details",
    "slack.modal.details.loading": "Einen Moment …",
    "slack.modal.details.page": "Seite {number} von {pages}",
    "slack.page.next": "Nächste Seite",
    "slack.page.back": "Vorige Seite",
    "slack.ask.started": "Verstanden. Die Karte kommt hierher, oder ich sage, warum nicht.",
    "slack.ask.not_here": (
        "Ich bin nicht in diesem Channel, also kann ich hier nichts posten. Jemand, der drin ist, muss /invite und meinen "
        "Namen tippen; frag danach noch einmal."
    ),
    "slack.ask.no_text": "In dieser Nachricht steht kein Text, aus dem ein Plan werden könnte.",
    "slack.storage.down": (
        "Ich erreiche meine Datenbank gerade nicht, also wurde nichts geändert. Versuch es in einer Minute noch einmal. "
        "(Ref {reference})"
    ),
    "slack.unexpected": "Bei mir ist etwas schiefgegangen; mehr ist hier nicht bekannt. (Ref {reference})",
    "slack.admin.usage": (
        "Sag eines davon: config list · config show · config use NAME [channel|server] · config reset [channel|server] · "
        "config allow NAMEN [channel|server] · config check NAME · approvers [WERT] · limits [WERT] · freeze · thaw · audit"
    ),
    "slack.cancel.which": "Welchen Lauf? Sag: {command} cancel LAUF",
    "slack.refused.channel": (
        "In diesem Channel darf ich nichts posten: Jemand, der drin ist, muss dort /invite und meinen Namen tippen."
    ),
    "slack.refused.scope": (
        "Slack sagt, dass mir das Recht {scope} fehlt: Wer den Workspace verwaltet, muss die App neu installieren, mit "
        "dem Manifest, das `massgen-bot slack manifest` ausgibt."
    ),
    "slack.refused.update": "Slack lässt mich diese Nachricht nicht mehr ändern ({code}); es braucht eine neue.",
    "slack.refused.token": (
        "Slack nimmt mein Token für diesen Workspace nicht mehr an ({code}): Wer den Workspace verwaltet, muss die App "
        "neu installieren."
    ),
    "slack.refused.workspace": (
        "In deinem Workspace bin ich nicht installiert, oder nicht mehr: Wer ihn verwaltet, muss die App dort "
        "installieren."
    ),
    "slack.refused.archived": (
        "Dieser Channel ist archiviert, also kann ich hier nichts posten: Hol ihn aus dem Archiv, oder frag in einem "
        "anderen."
    ),
    "slack.refused.unknown": "Slack hat das abgelehnt ({code}); wer diesen Bot betreibt, findet mehr im Log.",
    "slack.manifest.name": "MassGen",
    "slack.manifest.bot": "massgen",
    "slack.manifest.description": (
        "Mehrere Agenten einigen sich auf einen Plan; Menschen geben ihn frei; genau das wird ausgeführt."
    ),
    "slack.manifest.long_description": (
        "Frag in einem Channel nach etwas. Mehrere KI-Agenten sehen sich um, streiten und stimmen ab, ohne etwas ändern "
        "zu können. Der Plan, der gewinnt, wird hier mit jedem Aufruf und jedem Argument gezeigt. Sobald die Leute, die "
        "das dürfen, ihn freigegeben haben, laufen genau diese Aufrufe, jeder höchstens einmal, und die Karte sagt, was "
        "daraus geworden ist."
    ),
    "slack.manifest.shortcut": "Daraus einen Plan machen",
    "slack.manifest.shortcut_description": "Die Agenten planen lassen, worum diese Nachricht bittet",
    "slack.manifest.command": "Die Agenten um einen Plan bitten",
    "slack.manifest.command_hint": "was zu tun ist · status · history · cancel LAUF · help",
    "slack.manifest.admin": "Die Agenten hier einrichten",
    "slack.manifest.admin_hint": "config list|show|use|reset|check · approvers · limits · freeze · thaw · audit",
    "slack.doctor.workspace": "Das Bot-Token ist gut: Workspace {name} ({team}).",
    "slack.doctor.no_workspace": "Slack sagt nicht, zu welchem Workspace das Token gehört: Kopier es noch einmal.",
    "slack.doctor.scopes": "Die App hat die Rechte, die sie braucht, und keine anderen.",
    "slack.doctor.scopes_more": "Die App hat die Rechte, die sie braucht, und andere dazu: {scopes}.",
    "slack.doctor.scopes_missing": (
        "Der App fehlt {scopes}: Trag als ihr Manifest ein, was `massgen-bot slack manifest` ausgibt, und installier sie "
        "neu."
    ),
    "slack.doctor.oauth": (
        "Client-Id, Client-Secret und Signing-Secret sind da: Jeder Workspace installiert die App unter /slack/install."
    ),
    "slack.doctor.http": "Slack muss diesen Rechner auf Port {port} erreichen; die Adresse im Manifest sagt, wie.",
    "slack.doctor.socket": "Das App-Token ist gut: Socket Mode funktioniert.",
    "slack.doctor.app_token": (
        "Slack nimmt das Token in SLACK_APP_TOKEN nicht an ({code}): Mach auf der Seite deiner App eines mit "
        "connections:write."
    ),
    "slack.doctor.unreachable": "Slack hat nicht geantwortet; versuch es noch einmal, oder sieh nach dem Netz.",
    "slack.doctor.channels": "Der Bot ist in {names}.",
    "slack.doctor.no_channels": "Der Bot ist noch in keinem Channel: Tipp in einem /invite @massgen.",
    "slack.doctor.channels_unseen": (
        "In welchen Channels der Bot ist, lässt sich ohne channels:read nicht sehen ({code}); das ist kein Fehler."
    ),
    "slack.no_bot_token": "Trag das Bot-Token deiner Slack-App (xoxb-…) in SLACK_BOT_TOKEN ein.",
    "slack.unreachable": "Slack ist unter {address} nicht zu erreichen; sieh nach dem Netz oder nach SLACK_API_URL.",
    "slack.bad_token": (
        "Slack nimmt das Token in {variable} nicht an ({code}): Kopier es noch einmal von der Seite deiner App auf "
        "api.slack.com."
    ),
    "slack.no_start": "Slack hat den Start nicht angenommen ({code}); versuch es in einer Minute noch einmal.",
    "slack.port_taken": "Port {port} ist belegt; nenn mit PORT einen anderen.",
    "slack.needs_token": (
        "Trag das Bot-Token deiner Slack-App (xoxb-…) in SLACK_BOT_TOKEN ein; `massgen-bot docs slack` sagt, wo es steht."
    ),
    "slack.needs_secret": "Trag das Signing-Secret deiner Slack-App in SLACK_SIGNING_SECRET ein.",
    "slack.needs_mode": (
        "Trag für Socket Mode das App-Token (xapp-…) in SLACK_APP_TOKEN ein, oder für HTTP das Signing-Secret in "
        "SLACK_SIGNING_SECRET; `massgen-bot docs slack` sagt, wo beide stehen."
    ),
    "slack.unreadable_file": "Die Datei, die {variable} nennt, ist nicht zu lesen.",
    "slack.other_token": "{variable} muss mit {start} anfangen: Dort steht ein anderes Token.",
    "slack.bad_port": "PORT muss eine Zahl unter 65536 sein.",
    "slack.only_https": "Slack ruft nur https-Adressen auf: Nenn eine mit --url https://…",
    "slack.ready": "Slack: bereit.",
    "slack.ready_at": "Slack: bereit auf {address}.",
    "slack.help.slack": "Den Slack-Bot betreiben.",
    "slack.help.manifest": "Das Manifest der App ausgeben. Für Socket Mode oder für HTTP an einer Adresse.",
    "slack.help.url": "Wo Slack dieses Programm erreicht.",
    "slack.help.with_chat_tools": "Mit dem, was `chat-tools slack` zusätzlich braucht.",
    "slack.help.agent": "Als einer von Slacks Agenten, mit eigenem Stopp-Knopf.",
    "slack.help.doctor": "Sagen, was für Slack noch fehlt.",
    "slack.help.chat_tools": "Kanäle und Nachrichten von Slack als Werkzeuge. Für einen Workspace.",
}
