"""What the names and ids in rules of approval stand for in a chat now, line by line, as its doctor tells it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from bot.cards.text import one_line
from bot.chat.approvals_channel import note_of, trouble_in
from bot.chat.approvers import APPROVERS_KEY, approvers_from, names_here
from bot.chat.config_catalog import Chosen, ConfigCatalog
from bot.chat.name_pins import PINS_KEY, pins_in
from bot.chat.platform import (
    ChannelRef,
    ChannelUnseen,
    Checkup,
    Kind,
    KnowsChannels,
    MessageNotFound,
    MissingPermission,
    NameDirectory,
    RateLimited,
    SharedChannel,
)
from bot.chat.store import ChatSetting
from bot.i18n import catalog
from coordination.domain.policy import Policy
from coordination.domain.quorums import Quorum
from coordination.errors import StorageError

_SHOWN = 60
_MOST_SHOWN = 5
_LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class _Use:
    """One name or id, where a rule has it, and the catalogue's key for who must act if it is nobody."""

    kind: Kind
    text: str
    where: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class NameReport:
    """Looks up whom rules of approval name, and where anchors go.

    Attributes:
        config_catalog: the configurations.
        settings_of: gives all settings of a tenant.
        anchors: where the digests of anchors are posted, in whichever chat.
    """

    config_catalog: ConfigCatalog
    settings_of: Callable[[str], Awaitable[Sequence[ChatSetting]]]
    anchors: Sequence[ChannelRef] = ()

    async def of(self, directory: NameDirectory, tenant: str) -> list[Checkup]:
        """A line for each name or id in the tenant's configurations and in what its administrators set."""
        try:
            settings, found = await self.settings_of(tenant), list[Checkup]()
        except StorageError as error:
            reason = one_line(str(error), 300)
            settings, found = (), [Checkup(is_well=False, text=catalog.text("names.no_settings", reason=reason))]
        pins = pins_in({("", each.key): each for each in settings if each.key == PINS_KEY})
        uses = [*await self._in_configs(tenant), *self._set(settings)]
        found += [await self._looked_up(directory, tenant, use, pins) for use in dict.fromkeys(uses)]
        found += await self._channels(directory, tenant)
        return found + await self._open(tenant, settings)

    async def _open(self, tenant: str, settings: Sequence[ChatSetting]) -> list[Checkup]:
        """A line on the configurations that let anybody approve, unless administrators said who may everywhere."""
        everywhere = next((each for each in settings if each.key == APPROVERS_KEY and not each.channel), None)
        if everywhere is not None and _names_somebody(everywhere):
            return []
        names = [name for name, policy in await self._policies(tenant) if not policy.roles and not policy.users]
        if not names:
            return []
        shown = one_line(", ".join(names), _LONGEST)
        return [Checkup(is_well=True, text=catalog.text("names.open", count=len(names), names=shown))]

    async def _channels(self, directory: NameDirectory, tenant: str) -> list[Checkup]:
        """A line for each channel of approvals that a configuration or one of its rules for tools names."""
        found: list[Checkup] = []
        for name, policy in await self._policies(tenant):
            for channel in policy.channels():
                what = {"where": catalog.text("names.config", name=name), "channel": channel}
                try:
                    reason = await trouble_in(directory, tenant, channel)
                except RateLimited:
                    reason = catalog.text("approvals_channel.not_told")
                text = catalog.text("names.channel_shut", reason=reason, **what) if reason else ""
                found.append(Checkup(is_well=not reason, text=text or catalog.text("names.channel_open", **what)))
        return found

    async def of_anchors(self, chat: KnowsChannels, platform: str) -> list[Checkup]:
        """A line for each channel of this chat where the digests of anchors are posted."""
        return [await self._anchor(chat, each) for each in self.anchors if each.platform == platform]

    async def _anchor(self, chat: KnowsChannels, place: ChannelRef) -> Checkup:
        key, reason = "names.anchor_open", ""
        try:
            await chat.check_channel(place.tenant, place.channel)
        except SharedChannel:
            pass  # All the better: what people from outside have seen, nobody here can change.
        except ChannelUnseen as error:
            key, reason = "names.anchor_unseen", str(error)
        except RateLimited:
            key, reason = "names.anchor_unseen", catalog.text("approvals_channel.not_told")
        except (MessageNotFound, MissingPermission) as error:
            key, reason = "names.anchor_shut", note_of(error)
        text = catalog.text(key, place=f"{place.tenant}/{place.channel}", reason=one_line(reason, _LONGEST))
        return Checkup(is_well=key != "names.anchor_shut", text=text)

    async def _policies(self, tenant: str) -> list[tuple[str, Policy]]:
        """The rules of the configurations that can be read, by their names, with whom their rules for tools name."""
        found: list[tuple[str, Policy]] = []
        for name in self.config_catalog.names(tenant):
            path = self.config_catalog.path(name, tenant)
            policy = await names_here(Chosen(name=name, path=path, source="asked"), "", {})
            found += [] if policy is None else [(name, policy)]
        return found

    async def _in_configs(self, tenant: str) -> list[_Use]:
        uses: list[_Use] = []
        for name, policy in await self._policies(tenant):
            where = catalog.text("names.config", name=name)
            for each in (Quorum(roles=policy.roles, users=policy.users), *policy.quorums):
                uses += _uses(each.roles, each.users, where, "names.remedy_config")
        return uses

    def _set(self, settings: Sequence[ChatSetting]) -> list[_Use]:
        uses: list[_Use] = []
        for each in settings:
            if each.key == APPROVERS_KEY:
                approvers = approvers_from(each.value)
                key = "names.set_channel" if each.channel else "names.set_server"
                where = catalog.text(key, channel=each.channel)
                uses += _uses(approvers.roles, approvers.users, where, "names.remedy_set")
        return uses

    async def _looked_up(self, directory: NameDirectory, tenant: str, use: _Use, pins: Mapping[str, str]) -> Checkup:
        try:
            if directory.is_id(use.kind, use.text):
                name = await directory.name_of(tenant, use.kind, use.text)
                return self._said(use, [] if name is None else [name])
            found = list(dict.fromkeys(await directory.ids_of(tenant, use.kind, use.text)))
        except MissingPermission as error:
            return self._line(use, "names.hidden", is_well=False, reason=str(error))
        except (MessageNotFound, RateLimited):
            return self._line(use, "names.unknown", is_well=False)
        pinned = pins.get(f"{use.kind}:{use.text}", "")
        if pinned and pinned not in found[:1]:
            now = ", ".join(found[:_MOST_SHOWN]) or "-"
            return self._line(use, "names.pinned", is_well=False, found=pinned, now=now)
        return self._said(use, found)

    def _said(self, use: _Use, found: Sequence[str]) -> Checkup:
        if len(found) == 1:
            return self._line(use, "names.found", is_well=True, found=one_line(found[0], _SHOWN))
        if found:
            shown = ", ".join(found[:_MOST_SHOWN])
            return self._line(use, "names.several", is_well=False, number=len(found), found=shown)
        return self._line(use, "names.nobody", is_well=False)

    def _line(self, use: _Use, key: str, *, is_well: bool, **values: str | int) -> Checkup:
        what = catalog.text(f"names.{use.kind}", name=one_line(use.text, _SHOWN))
        remedy = "" if is_well else catalog.text(use.remedy)
        return Checkup(is_well=is_well, text=catalog.text(key, where=use.where, what=what, remedy=remedy, **values))


def _names_somebody(setting: ChatSetting) -> bool:
    approvers = approvers_from(setting.value)
    return bool(approvers.roles or approvers.users)


def _uses(roles: Sequence[str], users: Sequence[str], where: str, remedy: str) -> list[_Use]:
    named = cast("list[tuple[Kind, str]]", [*(("role", each) for each in roles), *(("user", each) for each in users)])
    return [_Use(kind=kind, text=text, where=where, remedy=remedy) for kind, text in named]
