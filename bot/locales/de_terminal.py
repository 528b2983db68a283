"""The German words of the terminal, and of commands."""

CONSOLE = {
    "explain.request": "Auftrag",
    "explain.coordination": "Zusammenarbeit",
    "explain.votes": "Stimmen",
    "explain.plans": "plant {tools}",
    "ask.decide": "{approve}?",
    "ask.resolve": "Was ist daraus geworden?",
    "ask.reason": "Begründung (Enter für keine):",
    "ask.change": "Was soll anders sein?",
    "ask.confirm": "{title}. {yes}?",
    "ask.other_plan": "Wessen Plan?",
    "ask.stop": "Den Lauf abbrechen?",
    "key.approve": "freigeben",
    "key.reject": "ablehnen",
    "key.change": "korrigieren",
    "key.details": "details",
    "key.other_plan": "wechseln",
    "key.happened": "passiert",
    "key.run_it": "ausführen",
    "key.abandon": "schluss",
    "key.yes": "ja",
    "key.no": "nein",
    "key.none": "keinen",
    "key.stop_yes": "ja abbrechen",
    "key.stop_leave": "warten lassen",
    "key.stop_no": "nein",
    "time.tomorrow": "morgen {time}",
    "time.countdown": "{at} (noch {span})",
}

NEXT = {
    "next.decide": (
        "Lauf {run} wartet bis {until} auf eine Entscheidung:\n"
        "  massgen-bot approve {run} --digest {plan}\n"
        "  massgen-bot reject {run} --digest {plan}"
    ),
    "next.resolve": (
        "Lauf {run} braucht einen Menschen: Aufruf {number} ist vielleicht passiert, vielleicht auch nicht. Sieh nach und "
        "sag, was stimmt:\n"
        "  massgen-bot resolve {run} happened\n"
        "  massgen-bot resolve {run} run-it\n"
        "  massgen-bot resolve {run} stop"
    ),
    "next.resume": "Lauf {run} bleibt, wo er ist. Weiter geht es mit:\n  massgen-bot resume {run}",
    "demo.prompt": "Power off on Friday from 14:00 to 16:00",
    "demo.approves_itself": (
        "Hier ist kein Terminal zum Fragen, und diese Welt ist ein Spielzeug: Der Plan wird ohne einen Menschen "
        "freigegeben."
    ),
    "demo.next": (
        "Wie es weitergeht:\n"
        "  massgen-bot show {run}\n"
        "      alles über diesen Lauf: wer was geantwortet und wer wie gestimmt hat\n"
        "  massgen-bot check openai-compatible\n"
        "      dein eigenes Modell und deine Werkzeuge: was jeder Agent damit darf\n"
        '  massgen-bot run "…" --config openai-compatible\n'
        "      die Agenten fragen\n"
        "  massgen-bot docs discord · massgen-bot docs slack\n"
        "      dasselbe in deinem Chat"
    ),
    "demo.activate": "massgen-bot ist in {folder}: Gib zuerst das ein, dann genügt sein Name:\n  . {folder}/activate",
}

COMMANDS = {
    "history.run": "Lauf",
    "history.state": "Stand",
    "history.asked": "gefragt",
    "history.by": "von",
    "history.prompt": "Auftrag",
    "history.empty": "Es gibt noch keine Läufe. `massgen-bot demo` macht einen.",
    "state.queued": "wartet auf den Start",
    "state.deliberating": "plant",
    "state.awaiting_decision": "wartet auf eine Entscheidung",
    "state.changes_wanted": "wartet auf einen neuen Start",
    "state.executing": "läuft",
    "state.needs_human": "braucht einen Menschen",
    "state.reporting": "schreibt den Bericht",
    "state.finished": "fertig",
    "state.answered": "beantwortet",
    "state.rejected": "abgelehnt",
    "state.expired": "abgelaufen",
    "state.cancelled": "abgebrochen",
    "state.failed": "fehlgeschlagen",
    "check.warning": "Warnung: {text}",
    "check.usable": "{file} ist eine gute Konfiguration.",
    "check.not_usable": "{file} ist so nicht zu gebrauchen.",
    "check.lacks_library": "{file} ist eine gute Konfiguration, aber auf diesem Rechner fehlt eine Bibliothek, die sie braucht.",
    "error.install": "Das installiert sie:\n  {command}",
    "check.added": "Neu unter read-Regeln seit der letzten Prüfung und jetzt angenommen: {tools}",
    "check.removed": "Bei der letzten Prüfung unter read-Regeln und jetzt nicht mehr da: {tools}",
    "check.agents": "Agenten",
    "check.servers": "Server",
    "check.approval": "Freigabe",
    "check.answers": "{server} (antwortet)",
    "check.not_asked": "{server} (nicht gefragt)",
    "check.no_servers": "keine",
    "check.tool": "Werkzeug",
    "check.effect": "Wirkung",
    "check.reason": "warum",
    "check.cost": "Kosten",
    "check.cost_of_agent": "{agent}: höchstens {calls} Modellaufrufe, {dollars}",
    "check.cost_of_run": "ein Lauf: {dollars}",
    "check.dollars": "höchstens {dollars} $",
    "check.unknown_cost": "Kosten unbekannt",
    "models.type": "Typ",
    "models.here": "hier",
    "models.model": "Modell",
    "models.address": "Adresse",
    "models.result": "Ergebnis",
    "models.not_installed": "braucht: {command}",
    "models.has_key": "bereit: {variable} ist gesetzt",
    "models.needs_no_key": "bereit: braucht keinen Schlüssel",
    "models.needs_key": "braucht {variables}",
    "models.model_at": "{model} bei {address}",
    "models.works": "funktioniert",
    "models.nothing_to_try": (
        "In der Umgebung ist kein Schlüssel, für dessen Anbieter es ein Modell zum Ausprobieren gibt; nenn eine --config."
    ),
    "effect.read": "read",
    "effect.ask": "ask",
    "effect.auto": "auto",
    "effect.deny": "deny",
    "serve.database_away": "{problem} Es wird höchstens {minutes} Minuten darauf gewartet.",
    "worker.ready": "Bei der Arbeit. Strg-C oder SIGTERM beendet es.",
    "migrate.done": "Die Tabellen in {database} sind auf dem neuesten Stand.",
    "audit.finding": "{where}: {problem}",
    "audit.run_whole": "Lauf {run} ist so, wie er geschrieben wurde.",
    "audit.anchored": (
        "{file} steht jetzt für alle Protokolle: Digest {digest}. Bewahr die Datei dort auf, wo niemand schreiben kann, der in "
        "die Datenbank schreibt."
    ),
    "audit.anchor_not_written": "Der Anker kann nicht nach {file} geschrieben werden: {reason}. Nenn eine neue Datei.",
    "audit.anchor_of_all": "Ein Anker gilt für alle Läufe: Lass RUN weg.",
    "audit.all_whole": "Alle Läufe sind so, wie sie geschrieben wurden.",
    "usage.both": "--approve und --reject schließen einander aus.",
    "usage.reason": "--reason braucht --reject.",
    "usage.verdict": "Sag eines davon: {verdicts}.",
}

HELP = {
    "help.massgen_bot": (
        "Mehrere KI-Agenten einigen sich auf einen Plan aus Werkzeug-Aufrufen; Menschen geben ihn frei; genau diese "
        "Aufrufe laufen, jeder höchstens einmal."
    ),
    "help.epilog": (
        "DATABASE_URL nennt die Datenbank; ohne sie wird eine Datei im Zustandsordner benutzt. MASSGEN_BOT_STATE nennt "
        "diesen Ordner; ohne sie ist es massgen-bot in XDG_STATE_HOME oder ~/.local/state. Exit-Status: 0 fertig, 1 fehlgeschlagen, "
        "2 Benutzung oder Konfiguration, 3 wartet auf eine Entscheidung, 4 abgelehnt, abgelaufen oder abgebrochen, "
        "5 ein Mensch wird gebraucht."
    ),
    "help.audit": "Das Protokoll prüfen oder herausgeben.",
    "help.run_name": "Der Name des Laufs oder dessen Anfang.",
    "help.config": "Die Konfiguration: Agenten, Werkzeuge, wer freigibt.",
    "help.option_approve": "Den vorgeschlagenen Plan freigeben.",
    "help.option_reject": "Den vorgeschlagenen Plan ablehnen.",
    "help.reason": "Warum.",
    "help.events": "Ein JSON-Objekt je Ereignis auf die Standardausgabe schreiben, und dort sonst nichts.",
    "help.digest": (
        "Nur über diesen Plan entscheiden (mindestens 8 Stellen, etwa 9f3a-61c2); sonst über den, der wartet."
    ),
    "help.verbose": "Debug-Meldungen auf die Fehlerausgabe schreiben.",
    "help.version": "Die Version zeigen.",
    "help.demo": (
        "Ein Lauf in einer Spielzeugwelt. Agenten nach Drehbuch, ein echter Werkzeug-Server, keine Schlüssel, kein Netz."
    ),
    "help.demo_prompt": "Was die Agenten tun sollen.",
    "help.demo_config": "Eine andere Konfiguration als `demo`.",
    "help.run": "Die Agenten um einen Plan bitten, entscheiden, zusehen.",
    "help.prompt": "Was die Agenten tun sollen; `-` liest es von der Standardeingabe.",
    "help.resume": "Bei einem Lauf bleiben, zusehen, entscheiden. Was ein beendeter Prozess übrig ließ, wird ausgeführt.",
    "help.approve": "Den wartenden Plan freigeben. Zusehen, wie seine Aufrufe laufen.",
    "help.reject": "Den wartenden Plan ablehnen: Nichts davon wird laufen.",
    "help.changes": "Die Agenten mit deinen Worten zurückschicken. Ihren nächsten Plan sehen.",
    "help.changes_text": "Was anders sein soll.",
    "help.cancel": "Einen Lauf anhalten. Ein Aufruf, der unterwegs ist, endet erst.",
    "help.freeze": "Keinen freigegebenen Aufruf mehr beginnen lassen. Laufende enden, Pläne warten; für einen Mandanten oder alle.",
    "help.thaw": "Freigegebene Aufrufe wieder beginnen.",
    "help.tenant": "Zum Beispiel discord:123 oder console; sonst alle.",
    "freeze.done.one": "Angehalten: {where}. Kein freigegebener Aufruf beginnt; {count} Lauf wartet.",
    "freeze.done.other": "Angehalten: {where}. Kein freigegebener Aufruf beginnt; {count} Läufe warten.",
    "freeze.undone.one": "Nicht mehr angehalten: {where}. {count} Lauf geht weiter.",
    "freeze.undone.other": "Nicht mehr angehalten: {where}. {count} Läufe gehen weiter.",
    "freeze.nothing": "Dort ist nichts angehalten: {where}.",
    "freeze.everywhere": "alles",
    "help.resolve": "Sagen, was aus einem ungewissen Aufruf geworden ist.",
    "help.verdict": "Es ist passiert; es ist nicht passiert, also ausführen; oder hier aufhören.",
    "help.call": "Die Nummer des Aufrufs; sonst der, um den es geht.",
    "help.status": "Wie es um einen Lauf steht.",
    "help.show": ("Alles über einen Lauf. Auftrag, Tabelle der Zusammenarbeit, Antworten, Stimmen, Plan, Ausgang."),
    "help.story": "Auch jedes Ereignis, das eine Zeile wert ist.",
    "help.history": "Die neuesten Läufe.",
    "help.docs": "Eine Seite der Dokumentation ausgeben. Ohne Namen: alle nennen.",
    "help.docs_page": "Die Seite, etwa chat oder configuration.",
    "docs.no_page": "Eine Seite {page} gibt es nicht; die Seiten heißen: {pages}.",
    "help.limit": "Wie viele.",
    "help.check": "Eine Konfiguration prüfen: was wird aus jedem Werkzeug?",
    "help.check_config": "Die Konfigurationsdatei.",
    "help.no_connect": "Die Werkzeug-Server nicht starten.",
    "help.models": "Sagen, welche Anbieter hier bereit sind. Was installiert ist und wofür ein Schlüssel da ist.",
    "help.try": "Jedes um ein Wort bitten; das kann den Bruchteil eines Cents kosten.",
    "help.models_config": "Die Modelle dieser Konfiguration fragen statt eines je Schlüssel.",
    "help.up": "Jeden Chat bedienen, dessen Variablen gesetzt sind. Discord und Slack, in einem Prozess, bis SIGTERM kommt.",
    "up.no_chat": (
        "Es ist kein Chat gesetzt: das Token eines Bots gehört in DISCORD_BOT_TOKEN oder SLACK_BOT_TOKEN; `massgen-bot "
        "docs chat` führt zu beiden."
    ),
    "help.worker": "Ausführen, worauf Läufe warten, bis SIGTERM kommt.",
    "help.until_idle": "Aufhören, wenn kein Lauf mehr ohne einen Menschen weiterkommt.",
    "help.migrate": "Die Tabellen der Datenbank anlegen oder erneuern.",
    "help.audit_verify": "Prüfen, dass das Protokoll so ist, wie es geschrieben wurde.",
    "help.audit_run": "Ein Lauf; sonst alle.",
    "help.audit_verify_anchor": "Auch mit dem vergleichen, was `audit anchor` in diese Datei geschrieben hat.",
    "help.audit_anchor": "Ausgeben, was jetzt für alle Protokolle steht. Es zeigt später, was abgeschnitten oder neu geschrieben wurde.",
    "help.audit_anchor_file": "Eine neue Datei; sonst die Standardausgabe.",
    "help.audit_export": "Die Ereignisse eines Laufs mit ihren Hashes ausgeben. Ein JSON-Objekt je Zeile.",
}

ERRORS = {
    "error.unexpected": "Es ist etwas schiefgegangen, das nicht hätte schiefgehen dürfen.",
    "error.unexpected_in_log": (
        "Es ist etwas schiefgegangen, das nicht hätte schiefgehen dürfen; {file} im Zustandsordner weiß mehr."
    ),
    "error.reference": "(Ref {reference})",
    "error.unknown_language": "{variable} nennt eine Sprache, die es hier nicht gibt; setz sie auf eine davon: {known}.",
    "error.no_run": "Einen Lauf {run} gibt es hier nicht. `massgen-bot history` listet die Läufe auf.",
    "error.conflict": (
        "Jemand anderes hat im selben Moment etwas mit diesem Lauf gemacht. Sieh ihn dir noch einmal an und entscheide "
        "dann."
    ),
    "error.ambiguous": "Mehrere Läufe fangen mit {prefix} an: {names}. Tipp mehr vom Namen.",
}
