"""The German words that only Discord needs."""

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
    "discord.too_slow": "Das hat zu lange gedauert. Es wurde nichts getan; klick bitte noch einmal.",
    "discord.trouble": "Jetzt nicht",
    "discord.confirm_status": "Sicher?",
    "discord.confirm_title": "Das gibst du gleich frei",
    "discord.confirm_note": "  ({notes})",
    "discord.confirm_yes": "Ja, freigeben",
    "discord.window_reject_title": "Plan ablehnen",
    "discord.window_reject_label": "Warum? (darf leer bleiben)",
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
    "doctor.channel": "#{name} braucht {permissions}",
}
