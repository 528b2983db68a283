"""Who a person is on Discord: nobody becomes somebody else by what they call themselves."""

import asyncio
from typing import Any, cast

import discord

from bot.discord_app.identity import Members, author_of
from coordination.domain.policy import Person, Policy


def a_message(name: str, *roles: tuple[int, str]) -> discord.Message:
    """A message by an account of this name with these roles, as the gateway would tell of it."""
    state = discord.Client(intents=discord.Intents.none())._connection
    told = [{"id": "1", "name": "@everyone"}, *({"id": str(id_), "name": role} for id_, role in roles)]
    blank: dict[str, object] = {"permissions": "0", "color": 0, "hoist": False, "position": 1, "managed": False}
    blank |= {"mentionable": False, "flags": 0, "colors": {"primary_color": 0}}
    guild = discord.Guild(data=cast("Any", {"id": "1", "roles": [{**blank, **each} for each in told]}), state=state)
    user = {"id": "555", "username": name, "discriminator": "0", "avatar": None}
    member = {"user": user, "roles": [str(id_) for id_, _ in roles], "joined_at": None, "flags": 0}
    channel = discord.PartialMessageable(state=state, id=9, guild_id=1)
    data: dict[str, object] = {"id": "7", "channel_id": "9", "author": user, "content": "", "type": 0, "tts": False}
    data |= {"timestamp": "2026-11-22T12:00:00+00:00", "edited_timestamp": None, "mention_everyone": False}
    data |= {"mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": False}
    message = discord.Message(state=state, channel=channel, data=cast("Any", data))
    message.author = discord.Member(data=cast("Any", member), guild=guild, state=state)
    return message


def test_an_account_that_calls_itself_by_another_ones_number_is_not_taken_for_it() -> None:
    mallory = author_of(a_message("42"), guild=1)
    assert mallory.id == "555"
    assert not Policy(users=("42",)).names(mallory)
    assert Policy(users=("555",)).names(mallory)
    assert not Policy(users=("rita.4",)).names(author_of(a_message("rita.4"), guild=1))


def test_a_role_that_is_named_by_another_ones_number_is_not_taken_for_it() -> None:
    mallory = author_of(a_message("mallory", (88, "77"), (89, "night shift 2")), guild=1)
    for role in ("77", "night shift 2"):
        assert not Policy(roles=(role,)).names(mallory)
    for role in ("88", "89"):
        assert Policy(roles=(role,)).names(mallory)


async def test_discord_is_asked_once_at_a_time_who_somebody_is_and_anew_after_that() -> None:
    asked: list[str] = []
    answers = asyncio.Event()

    async def ask(person: Person) -> Person | None:
        asked.append(person.id)
        await answers.wait()
        return person

    members = Members(ask)
    people = [Person(tenant=tenant, id=id_, name="x") for tenant, id_ in 50 * (("a", "1"), ("a", "2"), ("b", "1"))]
    waiting = [asyncio.ensure_future(members.person_now(person)) for person in people]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    answers.set()
    told = await asyncio.gather(*waiting[1:])
    assert told == people[1:]
    assert sorted(asked) == ["1", "1", "2"]
    await members.person_now(people[0])
    assert sorted(asked) == ["1", "1", "1", "2"]
