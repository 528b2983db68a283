"""The words that only Discord needs."""

DISCORD = {
    "discord.rest": "… {number} more characters are in {file}",
    "discord.only_in": "… {number} characters are only in {file} …",
    "discord.whole_in": "Not all of this plan fits here: {number} characters are only in {file}. Read it before you decide.",
    "discord.more_calls.one": "… {count} more call is only in {file}",
    "discord.more_calls.other": "… {count} more calls are only in {file}",
    "discord.file": "Everything that this message says, whole",
    "discord.empty": "empty",
}
