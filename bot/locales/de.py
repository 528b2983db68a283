"""Every sentence that people read, in German."""

from collections.abc import Mapping

CARDS = {
    "status.queued": "Wartet auf den Start",
    "status.planning": "Plant",
    "status.decide": "Entscheiden",
    "status.executing": "Läuft",
    "status.reporting": "Schreibt den Bericht",
    "status.needs_human": "Braucht einen Menschen",
    "status.done": "Erledigt",
    "status.incomplete": "Nicht alles erledigt",
    "status.stopped": "Angehalten",
    "status.answered": "Beantwortet",
    "status.rejected": "Abgelehnt",
    "status.expired": "Abgelaufen",
    "status.cancelled": "Abgebrochen",
    "status.failed": "Fehlgeschlagen",
    "card.title": "„{prompt}“",
    "card.run": "Lauf {run}",
    "card.plan": "Plan {plan}",
    "card.config": "Konfiguration {config}",
    "card.asked_by": "gefragt von {who}",
    "calls.one": "{count} Aufruf",
    "calls.other": "{count} Aufrufe",
    "call.writes": "schreibt",
    "call.destroys": "kann etwas zerstören",
    "call.automatic": "durch eine Regel erlaubt",
    "agent.idle": "wartet",
    "agent.thinking": "denkt nach",
    "agent.thinking_told": "denkt noch einmal nach, es kam eine andere Antwort",
    "agent.thinking_corrected": "wurde korrigiert, versucht es noch einmal",
    "agent.reading": "liest {tool}",
    "agent.recording": "plant {tool}",
    "agent.retrying": "{reason}, wartet {wait} und versucht es dann noch einmal",
    "agent.answered": "hat geantwortet: {label}",
    "agent.voted": "stimmt für {choice}",
    "agent.vote_void": "Stimme für {choice} gilt nicht mehr, es kam eine neuere Antwort",
    "agent.out": "ausgeschieden: {reason}",
    "planning.feedback": "{who} möchte Änderungen: „{text}“",
    "progress.round": "Runde {number}",
    "progress.votes": "{votes} von {voters} Stimmen",
    "progress.calls.one": "{done} von {count} Aufruf",
    "progress.calls.other": "{done} von {count} Aufrufen",
    "progress.took": "hat {duration} gedauert",
    "number.thousands": ".",
    "number.decimal": ",",
    "amount.seconds": "{value} s",
    "amount.minutes": "{minutes} min {seconds} s",
    "amount.hours": "{value} Std.",
    "amount.days": "{value} Tage",
    "amount.tokens": "{value} Tokens",
    "amount.money": "{value} $",
    "amount.below_a_cent": "weniger als 0,01 $",
    "won.plan": "Der Plan",
    "won.answer": "Die Antwort",
    "won.consensus": "{what} von {winner} hat {votes} von {voters} Stimmen bekommen.",
    "won.majority": (
        "{what} von {winner} hat {votes} von {voters} Stimmen bekommen; die anderen hätten daran nichts mehr geändert."
    ),
    "won.alone": "{what} von {winner} kam nicht zur Abstimmung: Am Ende war sonst kein Agent mehr dabei.",
    "won.deadline": (
        "{what} von {winner} hatte {votes} von {voters} Stimmen, als die Zeit um war; einig waren sich die Agenten nicht."
    ),
    "won.caps": (
        "{what} von {winner} hatte {votes} von {voters} Stimmen, als die Agenten alle Antworten verbraucht hatten; "
        "einig waren sie sich nicht."
    ),
    "now.approvers_asked": (
        "Noch läuft nichts: Der Prozess, der das ausführt, kann den Chat nicht fragen, ob {who} noch freigeben darf, und "
        "wartet auf einen, der es kann. Nach einer Minute wird neu um Freigabe gebeten."
    ),
    "now.frozen": "{who} hat hier alles angehalten: Kein freigegebener Aufruf beginnt, bis das zurückgenommen ist. Entscheidungen zählen.",
    "now.changed": "Die Konfiguration, oder was für diesen Ort festgelegt ist, hat sich geändert, seit nach diesem Lauf gefragt wurde. Der Plan bleibt, wie er hier steht, und nichts an ihm wurde strenger.",
    "now.denied": "Die Regeln, die hier jetzt gelten, verbieten einen Aufruf dieses Plans; er kann nicht freigegeben werden.",
    "now.unreadable": "Die Regeln, die hier jetzt gelten, sind nicht lesbar; der Plan kann nicht freigegeben werden, bis der Betreiber die Konfiguration repariert.",
    "again.rules": "Die Regeln sind strenger geworden, also wird neu gefragt. Frühere Freigaben zählen nicht.",
    "again.approvers": "Wer freigegeben hatte, darf das nicht mehr, also wird neu gefragt. Frühere Freigaben zählen nicht.",
    "again.unreadable": "Ob alle, die freigegeben hatten, das noch dürfen, war nicht zu erfahren, also wird neu gefragt.",
    "won.chosen": "{who} hat sich für den Plan von {author} entschieden.",
    "warn.after_vote": (
        "{author} hat diesen Plan nach der Abstimmung geschrieben; die anderen Agenten haben ihn nicht gesehen."
    ),
    "warn.no_consensus": "Die Agenten waren sich über diesen Plan nicht einig.",
    "warn.echo": "Aufruf {number}: {names} wiederholt Text, der mit {tools} gelesen wurde.",
    "warn.large_number": "Aufruf {number}: {names} enthält eine ganze Zahl über 9.007.199.254.740.992. Gesendet wird sie, wie sie hier steht; ein in JavaScript geschriebener Server rundet sie.",
    "warn.doubtful_read": (
        "{tool} lief beim Planen, ohne dass jemand gefragt wurde: Laut Server verändert es etwas. Erlaubt hat es die Regel "
        "{rule}; darum muss sich der Betreiber kümmern."
    ),
    "warn.server_unavailable": "Geplant wird ohne den Werkzeugserver {server}. {reason}",
    "warn.tool_unavailable": "{agent} wollte {tool}, das nicht nutzbar ist: {reason}.",
    "warn.destroys": "Der Server sagt, dass ein Aufruf dieses Plans etwas zerstören kann.",
    "needs.named": "Braucht {number} von {names}",
    "needs.anyone.one": "Braucht {count} Freigabe, alle hier dürfen sie geben",
    "needs.anyone.other": "Braucht {count} Freigaben, alle hier dürfen sie geben",
    "needs.not_requester": "nicht von der Person, die gefragt hat",
    "needs.not_authors": "Nicht von {who}: Dieser Plan folgt ihren Worten",
    "needs.until": "bis {until}",
    "needs.given": "{given} von {required} erteilt: {who}",
    "plan.target": "{server} läuft auf {target}",
    "decide.digest": "Prüfsumme {digest}",
    "button.approve.one": "{count} Aufruf freigeben",
    "button.approve.other": "{count} Aufrufe freigeben",
    "button.reject": "Ablehnen",
    "button.change": "Änderungen anfordern",
    "button.details": "Details",
    "button.cancel": "Abbrechen",
    "button.happened": "Es ist passiert",
    "button.run_it": "Ist es nicht, ausführen",
    "button.abandon": "Hier aufhören",
    "button.ask_again": "Noch einmal fragen",
    "choose.label": "Plan eines anderen Agenten",
    "choose.option": "{agent}: {calls}",
    "confirm.destroys.one": "{count} Aufruf kann etwas zerstören",
    "confirm.destroys.other": "{count} Aufrufe können etwas zerstören",
    "confirm.many.one": "{count} Aufruf wird ausgeführt",
    "confirm.many.other": "{count} Aufrufe werden ausgeführt",
    "confirm.call": "{number}  {server} · {tool}",
    "decided.approved": "Freigegeben von {who}, {at}.",
    "receipt.running": "läuft",
    "receipt.succeeded": "{result}",
    "receipt.vouched": "{who} sagt, dass es passiert ist",
    "receipt.failed": "{reason}",
    "receipt.unknown": "unbekannt: {reason}",
    "receipt.skipped": "nicht gestartet: {reason}",
    "unknown.doubt": "Aufruf {number} von {total} ist vielleicht passiert, vielleicht auch nicht: {reason}.",
    "unknown.still": "Der erste Versuch kann bis {until} noch laufen; erst danach kann man ihn wiederholen lassen.",
    "unknown.away": "Nach seinem Start war die Datenbank von {since} bis {until} (UTC) nicht erreichbar.",
    "unknown.late": "Der Server hat danach noch gesagt: {result}",
    "unknown.stopped": "{who} hat den Lauf abgebrochen: Was auch immer aus diesem Aufruf wurde, mehr wird nicht ausgeführt.",
    "unknown.needs_run_it": "Ausgeführt wird er erst, wenn {required} verschiedene Leute das sagen, wie beim Plan.",
    "unknown.needs_happened": "Ist es passiert, genügt bis {until} ein Wort für den Rest; danach braucht es {required}.",
    "unknown.said_run_it": "{given} von {required} haben „ausführen“ gesagt: {who}",
    "unknown.said_happened": "{given} von {required} haben gesagt, dass es passiert ist: {who}",
    "unknown.nothing_runs": "Sonst läuft nichts, bis jemand nachsieht und entscheidet.",
    "report.by": "{author} berichtet:",
    "ended.rejected": "{who} hat den Plan abgelehnt, {at}{because}.",
    "ended.cancelled": "{who} hat den Lauf abgebrochen, {at}{because}.",
    "ended.expired": "Niemand hat entschieden. Zeit war bis {at}.",
    "ended.failed": "{reason}",
    "ended.nothing_ran": "Es wurde nichts getan.",
    "because": ": „{reason}“",
    "file.markdown.one": "Der ganze Plan {plan}: {count} Aufruf mit allen Argumenten",
    "file.markdown.other": "Der ganze Plan {plan}: {count} Aufrufe mit allen Argumenten",
    "file.json": "Der Plan {plan} in genauem Wortlaut, als JSON",
    "file.heading": "# Plan {plan} des Laufs {run}",
    "file.targets": "Wohin die Aufrufe gehen:",
    "file.author": "Geschrieben von {author}. Offen bis {until}.",
    "file.digest": "Prüfsumme: `{digest}`",
}

TIMELINE = {
    "timeline.asked": "{who} hat gefragt: „{prompt}“ · Lauf {run}",
    "timeline.begins": "die Agenten fangen an",
    "timeline.begins_again": "die Agenten fangen noch einmal an, mit den gewünschten Änderungen",
    "timeline.picked_up": "nach einer Unterbrechung wieder aufgenommen",
    "timeline.read": "hat {tool} gelesen",
    "timeline.read_doubtful": "hat beim Planen {tool} benutzt, obwohl das laut Server etwas verändert (erlaubt durch {rule})",
    "timeline.server_unavailable": "die Agenten planen ohne den Werkzeugserver {server}: {reason}",
    "timeline.tool_unavailable": "wollte {tool}, das nicht nutzbar ist: {reason}",
    "timeline.read_failed": "konnte {tool} nicht lesen",
    "timeline.recorded": "hat {tool} eingeplant",
    "timeline.corrected": "wurde korrigiert: {reason}",
    "timeline.retried": "wartet {wait} auf sein Modell: {reason}",
    "timeline.answered": "hat geantwortet, {label}: „{text}“",
    "timeline.answered_with_plan": "hat geantwortet, {label}, {calls}: „{text}“",
    "timeline.voted": "stimmt für {choice}: „{reason}“",
    "timeline.vote_void": "Stimme für {choice} gilt nicht mehr: {newer} kam danach",
    "timeline.out": "ist ausgeschieden: {reason}",
    "timeline.proposed": "{author}, {calls}, wartet auf eine Entscheidung · Plan {plan}",
    "timeline.concluded": "{author} ist die Antwort",
    "timeline.approved": "{who} hat Plan {plan} freigegeben",
    "timeline.rejected": "{who} hat Plan {plan} abgelehnt{because}",
    "timeline.changes": "{who} möchte Plan {plan} geändert haben: „{text}“",
    "timeline.expired": "Plan {plan} ist abgelaufen, niemand hat entschieden",
    "timeline.answer": "Antwort {number}",
    "timeline.refused": "{who} wollte {act}: {refusal}",
    "act.approve": "freigeben",
    "act.reject": "ablehnen",
    "act.change": "etwas ändern lassen",
    "act.cancel": "abbrechen",
    "act.resolve": "einen Zweifel klären",
    "why_not.expired": "der Plan war abgelaufen",
    "why_not.stale_plan": "es wartete ein anderer Plan",
    "why_not.already_decided": "es war schon entschieden",
    "why_not.already_approved": "hatte schon freigegeben",
    "why_not.not_an_approver": "gehört nicht zu denen, die entscheiden",
    "why_not.own_request": "hatte selbst gefragt",
    "why_not.denied_now": "die jetzigen Regeln verbieten einen Aufruf",
    "why_not.stricter_now": "die Regeln sind jetzt strenger als bei der Freigabe",
    "why_not.still_under_way": "der erste Versuch kann noch laufen",
    "why_not.stored_config_changed": "die gespeicherte Konfiguration wurde nach dem Beginn geändert",
    "why_not.rules_unreadable": "die jetzigen Regeln sind nicht lesbar",
    "why_not.approvers_unreadable": "frühere Freigaben waren nicht zu prüfen",
    "why_not.own_words": "hat den Plan mit eigenen Worten mitbestimmt",
    "why_not.nobody_left": "den nächsten Plan hätte niemand freigeben können",
    "why_not.other_tenant": "der Lauf gehört anderswohin",
    "why_not.nothing_to_decide": "es gab nichts zu entscheiden",
    "why_not.nothing_to_cancel": "es gab nichts abzubrechen",
    "why_not.nothing_to_resolve": "bei keinem Aufruf gab es Zweifel",
    "why_not.already_said": "hatte das schon gesagt",
    "why_not.not_yours": "es ist der Lauf von jemand anderem",
    "why_not.external": "ist kein Vollmitglied",
    "timeline.rules_changed": "die Konfiguration oder die Einstellungen dieses Orts haben sich geändert; der Plan bleibt, wie er ist",
    "timeline.rules_denied": "die jetzigen Regeln verbieten einen Aufruf dieses Plans",
    "timeline.rules_unreadable": "die jetzigen Regeln sind nicht lesbar",
    "timeline.rules_as_before": "es gelten wieder die Regeln, mit denen der Lauf begann",
    "timeline.approvers_asked": "bevor etwas läuft, wird der Chat gefragt, ob die Freigaben noch gelten",
    "timeline.approvers_read": "die Freigaben gelten noch",
    "timeline.approvers_lost": "{who} darf nicht mehr freigeben",
    "timeline.frozen": "{who} hat hier alles angehalten: Kein freigegebener Aufruf beginnt",
    "timeline.thawed": "was angehalten war, geht weiter",
    "timeline.cancelled": "{who} hat den Lauf abgebrochen{because}",
    "timeline.call": "Aufruf {number}/{total}",
    "timeline.call_started": "{tool} gestartet",
    "timeline.call_succeeded": "fertig: {result}",
    "timeline.call_failed": "fehlgeschlagen: {reason}",
    "timeline.call_unknown": "Ausgang unbekannt: {reason}",
    "timeline.late_success": "der Server hat danach gesagt, dass es geklappt hat: {result}",
    "timeline.late_failure": "der Server hat danach gesagt, dass es nicht geklappt hat: {result}",
    "timeline.word_happened": "{who} sagt, dass es passiert ist; das müssen noch mehr Leute sagen",
    "timeline.word_run_it": "{who} sagt, dass es nicht passiert ist und ausgeführt werden soll; das müssen noch mehr Leute sagen",
    "timeline.word_abandon": "{who} will hier aufhören; das müssen noch mehr Leute sagen",
    "timeline.words_voided": "was {who} gesagt hat, zählt nicht mehr: Freigeben ist ihnen jetzt nicht erlaubt",
    "timeline.resolved_happened": "{who} sagt, dass es passiert ist",
    "timeline.resolved_run_it": "{who} sagt, dass es nicht passiert ist: Es wird ausgeführt",
    "timeline.resolved_abandon": "{who} hat hier aufgehört",
    "timeline.skipped.one": "Aufruf {numbers} wurde nicht gestartet: {reason}",
    "timeline.skipped.other": "Aufrufe {numbers} wurden nicht gestartet: {reason}",
    "timeline.finished": "jeder Aufruf hat sein Ergebnis, und der Bericht ist geschrieben",
    "timeline.finished_without_report": "jeder Aufruf hat sein Ergebnis",
    "timeline.failed": "fehlgeschlagen: {reason}",
    "table.round": "Runde",
    "table.restarted": "nach einer Unterbrechung wieder aufgenommen",
    "table.revision": "Fassung {number}, mit den gewünschten Änderungen",
    "table.read": "hat {tool} gelesen",
    "table.planned": "hat {tool} eingeplant",
    "table.told": "hörte von einer neuen Antwort",
    "table.corrected": "korrigiert: {reason}",
    "table.answered": "{label}",
    "table.answered_with_plan": "{label}, {calls}",
    "table.voted": "stimmt für {choice}",
    "table.vote_void": "Stimme ungültig durch {newer}",
    "table.out": "ausgeschieden: {reason}",
}


DISCORD = {
    "discord.rest": "… {number} weitere Zeichen stehen in {file}",
    "discord.only_in": "… {number} Zeichen stehen nur in {file} …",
    "discord.whole_in": (
        "Dieser Plan passt nicht ganz hierher: {number} Zeichen stehen nur in {file}. Lies sie, bevor du entscheidest."
    ),
    "discord.more_calls.one": "… {count} weiterer Aufruf steht nur in {file}",
    "discord.more_calls.other": "… {count} weitere Aufrufe stehen nur in {file}",
    "discord.file": "Alles, was diese Nachricht sagt, in voller Länge",
    "discord.empty": "leer",
    "discord.forbidden": (
        "In diesem Kanal darf ich nicht schreiben; jemand, der den Server verwaltet, muss meiner Rolle hier diese Rechte "
        "geben: {permissions}."
    ),
    "discord.permission.view_channel": "Kanal anzeigen",
    "discord.permission.send_messages": "Nachrichten senden",
    "discord.permission.embed_links": "Links einbetten",
    "discord.permission.attach_files": "Dateien anhängen",
    "discord.permission.read_message_history": "Nachrichtenverlauf anzeigen",
    "discord.permission.create_public_threads": "Öffentliche Threads erstellen",
    "discord.permission.send_messages_in_threads": "Nachrichten in Threads senden",
    "discord.token_refused": (
        "Discord nimmt das Token in DISCORD_BOT_TOKEN nicht an; wer diesen Bot betreibt, muss ein neues eintragen."
    ),
    "discord.asked": "Lauf {run} hat angefangen. Seine Karte erscheint gleich hier.",
    "discord.asked_nameless": "Erledigt.",
    "discord.begun": "Angefangen",
    "discord.no_server": "Das geht nur auf einem Server.",
    "discord.trouble": "Jetzt nicht",
    "discord.confirm_status": "Sicher?",
    "discord.confirm_title": "Das gibst du gleich frei",
    "discord.confirm_note": "  ({notes})",
    "discord.confirm_yes": "Ja, freigeben",
    "discord.window_reason_title": "Plan ablehnen",
    "discord.window_reason_label": "Warum? (darf leer bleiben)",
    "discord.window_change_title": "Änderungen anfordern",
    "discord.window_change_label": "Was soll anders sein?",
    "discord.ask_title": "Daraus einen Plan machen",
    "discord.ask_label": "Was sollen die Agenten tun?",
    "discord.no_text": "In dieser Nachricht steht kein Text.",
    "discord.cmd.massgen": "Die Agenten um einen Plan bitten; bevor etwas passiert, geben Menschen ihn frei.",
    "discord.cmd.prompt": "Was die Agenten tun sollen; leer lassen zeigt die Hilfe.",
    "discord.cmd.config": "Welche Konfiguration; sonst die, die in diesem Kanal gilt.",
    "discord.cmd.runs": "Läufe ansehen, anhalten oder noch einmal starten.",
    "discord.cmd.list": "Die neuesten Läufe hier.",
    "discord.cmd.mine": "Nur meine.",
    "discord.cmd.waiting": "Nur die, die auf eine Entscheidung warten.",
    "discord.cmd.show": "Ein Lauf mit der Tabelle, wer wann was getan hat.",
    "discord.cmd.run": "Der Name des Laufs oder dessen Anfang.",
    "discord.cmd.cancel": "Einen Lauf anhalten.",
    "discord.cmd.retry": "Dasselbe noch einmal fragen.",
    "discord.cmd.admin": "Konfigurationen, wer freigibt, Grenzen und das Protokoll.",
    "discord.cmd.config_group": "Welche Konfiguration wo gilt.",
    "discord.cmd.config_list": "Die Konfigurationen, die es gibt.",
    "discord.cmd.config_show": "Die Konfiguration, die hier gilt, und wo das festgelegt ist.",
    "discord.cmd.config_use": "Die Konfiguration dieses Kanals oder des ganzen Servers festlegen.",
    "discord.cmd.config_reset": "Vergessen, was für diesen Kanal oder den ganzen Server festgelegt war.",
    "discord.cmd.config_allow": "Festlegen, welche Konfigurationen Mitglieder beim Namen verlangen können.",
    "discord.cmd.names": "Namen, oder *, none oder reset. Ohne alles: zeigen, was erlaubt ist.",
    "discord.cmd.config_check": "Eine Konfiguration und ihre Werkzeuge prüfen.",
    "discord.cmd.name": "Der Name der Konfiguration.",
    "discord.cmd.scope": "Dieser Kanal oder der ganze Server.",
    "discord.cmd.channel": "dieser Kanal",
    "discord.cmd.server": "der ganze Server",
    "discord.cmd.approvers": "Wer hier freigeben darf.",
    "discord.cmd.limits": "Wie viel hier gefragt werden darf, und wie viel es war.",
    "discord.cmd.freeze": "Auf diesem Server keinen freigegebenen Aufruf beginnen; Pläne warten.",
    "discord.cmd.thaw": "Freigegebene Aufrufe wieder beginnen.",
    "discord.cmd.audit": "Was gefragt und entschieden wurde, und von wem.",
    "discord.cmd.value": "Was festgelegt werden soll; ohne Angabe siehst du, was jetzt gilt.",
    "discord.cmd.from_message": "Daraus einen Plan machen",
    "help.discord": "Den Discord-Bot betreiben oder einrichten.",
    "help.discord_run": "Den Discord-Bot betreiben, bis SIGTERM kommt.",
    "help.discord_sync": "Discord sagen, welche Befehle es gibt. Nur, was sich geändert hat.",
    "help.discord_guild": "Nur für diesen Server; dort gilt es sofort.",
    "help.discord_invite": "Den Link ausgeben, der den Bot zu einem Server hinzufügt.",
    "help.doctor": "Sagen, was noch fehlt, der Reihe nach.",
    "help.doctor_discord": "Sagen, was für Discord noch fehlt. Token, Anwendung, Befehle und die Rechte in jedem Kanal.",
    "help.chat_tools": "Werkzeug-Server (MCP, stdio) für Agenten, je Chat einer.",
    "help.chat_tools_discord": "Kanäle und Nachrichten von Discord als Werkzeuge. Auf einen Server beschränkt.",
    "help.chat_tools_scope": "Was Läufe lesen dürfen: den Kanal, in dem sie gestartet wurden, oder alles, was alle dort lesen können.",
    "help.chat_tools_guild": "Die Id des Servers; sonst der, von dem der Lauf kommt.",
    "discord.out_of_step": (
        "Discord zeigt diesen Befehl so, wie er in einer anderen Version war; wer diesen Bot betreibt, muss "
        "`massgen-bot discord sync` ausführen."
    ),
    "discord.not_open": (
        "Der Bot wird gerade gestartet oder beendet. Es wurde nichts getan; versuch es gleich noch einmal."
    ),
    "discord.gateway_refused": (
        "Discord hat die Verbindung endgültig beendet (Code {code}); wer diesen Bot betreibt, muss seine Einstellungen "
        "ansehen."
    ),
    "discord.no_token": "Trag in DISCORD_BOT_TOKEN das Token von der Seite „Bot“ deiner Anwendung ein.",
    "discord.bad_token": (
        "Discord nimmt das Token in DISCORD_BOT_TOKEN nicht an; kopier es noch einmal von der Seite „Bot“ deiner "
        "Anwendung."
    ),
    "discord.unreachable": "Discord ist nicht zu erreichen; prüf das Netz und versuch es noch einmal.",
    "discord.not_there": (
        "Discord kennt keinen solchen Server, oder der Bot ist nicht dort: prüfe die ID, oder füge den Bot mit dem Link "
        "hinzu, den `massgen-bot discord invite` ausgibt."
    ),
    "discord.refused": "Discord hat die Anfrage abgelehnt: {answer}",
    "discord.bad_address": "{variable} ist keine Adresse, die so anfängt: {schemes}.",
    "discord.bad_port": "MASSGEN_BOT_HEALTH_PORT muss eine Zahl von 0 bis 65535 sein.",
    "discord.port_taken": "Port {port} ist belegt; nenn mit MASSGEN_BOT_HEALTH_PORT einen anderen.",
    "discord.ready": "Angemeldet als {name}. Strg-C oder SIGTERM beendet es.",
    "discord.health": "Zustand auf Port {port}: /live und /ready.",
    "discord.synced.one": "Discord kennt jetzt {count} Befehl.",
    "discord.synced.other": "Discord kennt jetzt {count} Befehle.",
    "discord.in_step": "Discord kennt diese Befehle schon.",
    "doctor.token": "Das Token ist gut: {name}.",
    "doctor.commands_missing": (
        "Discord kennt die Befehle nicht so, wie sie jetzt sind. Führ `massgen-bot discord sync` aus."
    ),
    "doctor.commands": "Discord kennt die Befehle.",
    "doctor.no_guilds": (
        "Der Bot ist noch auf keinem Server. Öffne den Link, den `massgen-bot discord invite` ausgibt."
    ),
    "doctor.guild": "{name}: {text}",
    "doctor.guild_whole": "jeder Textkanal ist benutzbar",
    "names.config": "Konfiguration {name}",
    "names.set_server": "Freigabe, für alle Kanäle festgelegt",
    "names.set_channel": "Freigabe, für den Kanal {channel} festgelegt",
    "names.role": "die Rolle oder Gruppe {name}",
    "names.user": "das Konto {name}",
    "names.found": "{where}: {what} ist {found}.",
    "names.nobody": "{where}: {what} gibt es hier nicht. {remedy}",
    "names.several": "{where}: {what} gibt es {number}-mal ({found}) und wird deshalb abgelehnt. {remedy}",
    "names.pinned": "{where}: {what} zählt als {found}, so wie beim ersten Nachschlagen, und ist inzwischen {now}. {remedy}",
    "names.unknown": "{where}: Wer {what} ist, sagt der Chat gerade nicht. Versuch es noch einmal oder schreib die ID hin.",
    "names.remedy_config": (
        "Der Betreiber muss dort eine ID eintragen oder den Namen berichtigen; danach lässt ihn jemand, der hier "
        "verwaltet, mit `config check` neu nachschlagen."
    ),
    "names.remedy_set": "Jemand, der hier verwaltet, muss mit `approvers` neu festlegen, wer freigibt.",
    "names.no_settings": (
        "Was im Chat festgelegt wurde, lässt sich nicht lesen; wer dort freigeben soll, wurde nicht nachgeschlagen: {reason}"
    ),
    "doctor.channel": "#{name} braucht {permissions}",
}


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
    "slack.modal.details.page": "Seite {number} von {pages}",
    "slack.page.next": "Nächste Seite",
    "slack.page.back": "Vorige Seite",
    "slack.ask.started": "Verstanden. Die Karte kommt hierher, oder ich sage, warum nicht.",
    "slack.ask.not_here": (
        "Ich bin nicht in diesem Channel, also kann ich hier nichts posten. Jemand, der drin ist, muss /invite und meinen "
        "Namen tippen; frag danach noch einmal."
    ),
    "slack.ask.no_text": "In dieser Nachricht steht kein Text, aus dem ein Plan werden könnte.",
    "slack.storage": (
        "Ich erreiche meine Datenbank gerade nicht, also wurde nichts geändert. Versuch es in einer Minute noch einmal."
    ),
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
    "slack.doctor.token_refused": (
        "Slack nimmt das Token von {name} nicht mehr an ({code}): Wer den Workspace verwaltet, muss die App neu "
        "installieren."
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


CHAT = {
    "chat.noted": "Notiert",
    "chat.not_done": "Nicht getan",
    "chat.list": "Bitte sehr",
    "chat.conflict": (
        "Zu viele Leute haben gleichzeitig etwas mit diesem Lauf gemacht. Es wurde nichts getan; versuch es noch einmal."
    ),
    "chat.too_slow": "Das hat zu lange gedauert. Es wurde nichts getan; klick bitte noch einmal.",
    "chat.config_broken": (
        "Die Konfiguration ist so nicht zu gebrauchen: Bitte jemanden, der diesen Bot betreibt, sie anzusehen."
    ),
    "chat.no_run": "Einen Lauf {run} gibt es hier nicht.",
    "chat.nobody_left": (
        "Die Agenten sind dran, aber niemand kann freigeben, was sie planen: Das dürfen nur {approvers}, und niemand gibt "
        "frei, was er selbst gewünscht oder geändert hat. Wer hier verwaltet, kann weitere Leute benennen, oder der "
        "Betreiber setzt approval.allow_author und approval.allow_requester."
    ),
    "chat.stopped": "Lauf {run} ist angehalten.",
    "chat.help": (
        "Frag nach etwas, und mehrere KI-Agenten planen es zusammen: Sie dürfen sich umsehen, aber nichts anfassen. "
        "Menschen sehen den Plan mit jedem Aufruf und jedem Argument, und genau das, was sie freigeben, wird getan."
    ),
    "chat.help_example": "Zum Beispiel: /massgen Schreib eine Zusammenfassung von Issue 276 in #allgemein",
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
    "config.skipped": (
        "Wegen ihres Namens nicht dabei: {files}. Der Name einer Konfiguration besteht aus Kleinbuchstaben, Ziffern, - und _ "
        "und endet auf .yaml."
    ),
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

CARD_SYNC = {
    "card_sync.too_large": (
        "Diese Karte kann nicht den ganzen Plan zeigen, und eine Datei auch nicht: Niemand kann ihn hier freigeben."
    ),
    "card_sync.superseded": "Veraltet",
    "card_sync.superseded_line": "Für Lauf {run} gibt es eine neuere Karte. Diese hier bewirkt nichts mehr.",
    "card_sync.thread": "{prompt}",
    "card_sync.story": "Was passiert ist",
    "card_sync.follow_up": "Um hier weiterzumachen, erwähne mich in diesem Thread.",
    "card_sync.reminder": "Wartet noch",
    "card_sync.reminder_new": "Lauf {run} hat einen Plan, der bis {until} auf deine Entscheidung wartet.",
    "card_sync.reminder_half": "Der Plan des Laufs {run} wartet bis {until} auf eine Entscheidung.",
    "card_sync.reminder_last": "Der Plan des Laufs {run} läuft ab: {until}. Noch hat niemand entschieden.",
    "card_sync.doubt_line": "Sieh nach, ob es passiert ist, und sag es auf der Karte des Laufs {run}.",
    "card_sync.outcome": "Zu deinem Lauf {run}",
    "card_sync.forbidden": "Die Karte des Laufs {run} kann ich dort nicht zeigen. {reason}",
}


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
    "check.absent": "{server} (optional, nicht nutzbar)",
    "check.no_servers": "keine",
    "check.tool": "Werkzeug",
    "check.effect": "Wirkung",
    "check.reason": "warum",
    "check.cost": "Kosten",
    "check.usual_cost": "ein gewöhnlicher Lauf: etwa {dollars} $ für rund {calls} Modellaufrufe",
    "check.usual_calls": "ein gewöhnlicher Lauf: rund {calls} Modellaufrufe, Kosten unbekannt",
    "check.limit": "damit ein Lauf endet, der aus dem Ruder läuft: {limit}",
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
    "models.needs_no_key": "bereit: läuft und braucht keinen Schlüssel",
    "models.needs_key": "braucht {variables}",
    "models.model_at": "{model} bei {address}",
    "models.works": "funktioniert und ruft Werkzeuge auf",
    "models.works_but": "funktioniert, aber {remark}",
    "models.not_running": "an {address} läuft nichts: {title} starten",
    "models.nothing_to_try": (
        "In der Umgebung ist kein Schlüssel, für dessen Anbieter es ein Modell zum Ausprobieren gibt, und hier läuft kein "
        "Server; nenn eine --config."
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
    "help.schema": "Das JSON-Schema einer Konfiguration ausgeben, für Editoren.",
    "help.no_connect": "Die Werkzeug-Server nicht starten.",
    "help.models": "Sagen, welche Anbieter hier bereit sind. Was installiert ist und wofür ein Schlüssel da ist.",
    "help.try": "Jedes Modell ein Werkzeug aufrufen lassen; das kann einen Cent kosten.",
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
    "error.server_wrote": "{server} hat zuletzt auf seine Standardfehlerausgabe geschrieben:",
    "error.reference": "(Ref {reference})",
    "environment.misspelt": "{name} ist keine Variable dieses Programms und bewirkt nichts. Ist {meant} gemeint?",
    "environment.unknown": (
        "{name} ist keine Variable dieses Programms und bewirkt nichts. `massgen-bot docs environment` nennt alle."
    ),
    "error.unknown_language": "{variable} nennt eine Sprache, die es hier nicht gibt; setz sie auf eine davon: {known}.",
    "error.no_run": "Einen Lauf {run} gibt es hier nicht. `massgen-bot history` listet die Läufe auf.",
    "error.conflict": (
        "Jemand anderes hat im selben Moment etwas mit diesem Lauf gemacht. Sieh ihn dir noch einmal an und entscheide "
        "dann."
    ),
    "error.ambiguous": "Mehrere Läufe fangen mit {prefix} an: {names}. Tipp mehr vom Namen.",
}


_CHATS = {**CHAT, **ADMIN, **REFUSALS, **CARD_SYNC}

GERMAN_TEXTS: Mapping[str, str] = {
    **CARDS,
    **TIMELINE,
    **CONSOLE,
    **NEXT,
    **COMMANDS,
    **HELP,
    **ERRORS,
    **DISCORD,
    **SLACK,
    **_CHATS,
}
