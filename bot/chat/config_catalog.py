"""The operator's configurations: a folder of files, found by name.

Which of them a tenant may use, and which one holds.
"""

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from bot.chat.private_cards import ShownConfigError, refused
from bot.chat.store import ChatSetting
from coordination.domain.policy import Person
from coordination.errors import ConfigError, RefusedError
from coordination.secret_marks import beginning
from coordination.text import Text

FOLDER_VARIABLE = "MASSGEN_BOT_CONFIGS"
DEFAULT_VARIABLE = "MASSGEN_BOT_CONFIG"
CONFIG_KEY = "config"
MEMBERS_KEY = "member-configs"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ENDINGS = (".yaml", ".yml")
_ANY_TENANT = "*"
EVERY = "*"
"""In the place of a name: whatever the tenant may use."""

ConfigOrigin: TypeAlias = Literal["asked", "channel", "server", "default"]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A configuration that holds, and where that was said."""

    name: str
    path: Path
    source: ConfigOrigin
    setting: ChatSetting | None = None


@dataclass(frozen=True, kw_only=True)
class ConfigCatalog:
    """What the operator offers.

    Attributes:
        default: the name that holds where nothing was set; empty if there is none.
        allowed: the names that a tenant may use; a tenant that is not named may use those of `*`, or all.
        members: likewise the names that a tenant's members may ask for, where no administrator said; else none.
    """

    folder: Path
    default: str = ""
    allowed: Mapping[str, frozenset[str]]
    members: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def checked(self) -> "ConfigCatalog":
        """The same, if there is something on it that could hold.

        Raises:
            ConfigError: there is nothing, or not what the operator named; nobody could ask for anything.
        """
        found = self._files()
        if not found:
            raise ConfigError(
                [
                    Text(
                        "{folder} contains no configuration: set {variable} to the folder that does.",
                        folder=self.folder,
                        variable=FOLDER_VARIABLE,
                    )
                ]
            )
        if self.default and self.default not in found:
            known = ", ".join(sorted(found))
            raise ConfigError(
                [
                    Text(
                        "{variable} names {default}, but {folder} has only: {known}.",
                        variable=DEFAULT_VARIABLE,
                        default=repr(self.default),
                        folder=self.folder,
                        known=known,
                    )
                ]
            )
        return self

    def names(self, tenant: str) -> tuple[str, ...]:
        """The configurations that a tenant may use, by name."""
        mine = self.allowed.get(tenant, self.allowed.get(_ANY_TENANT))
        return tuple(name for name in sorted(self._files()) if mine is None or name in mine)

    def path(self, name: str, tenant: str) -> Path:
        """The file of a name. The name is looked up in what is there, and never becomes part of a path.

        Raises:
            RefusedError: the tenant has no such configuration.
        """
        found = self._files().get(name) if name in self.names(tenant) else None
        if found is None:
            raise refused("no_config", name=beginning(name, 64))
        return found

    def chosen(
        self, tenant: str, channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting], asked: str = ""
    ) -> Chosen:
        """The configuration that holds in a channel: the one that was asked for, else channel, server, default.

        Raises:
            RefusedError: there is none, or the one that was set is not there any more.
        """
        if asked:
            return Chosen(name=asked, path=self.path(asked, tenant), source="asked")
        setting = channel_settings.get((channel, CONFIG_KEY)) or channel_settings.get(("", CONFIG_KEY))
        if setting is not None:
            source: ConfigOrigin = "channel" if setting.channel else "server"
            path = self.path(setting.value, tenant)
            return Chosen(name=setting.value, path=path, source=source, setting=setting)
        name = self.default or self._only(tenant)
        if name not in self.names(tenant):
            raise refused("no_default")
        return Chosen(name=name, path=self.path(name, tenant), source="default")

    def open_to_members(
        self, tenant: str, channel: str, channel_settings: Mapping[tuple[str, str], ChatSetting]
    ) -> tuple[str, ...]:
        """What somebody who administers nothing may ask for by name: the one that holds, and what was opened to them.

        Whoever asks does not pick the rules: a lenient configuration is no way around a strict one.
        """
        setting = channel_settings.get((channel, MEMBERS_KEY)) or channel_settings.get(("", MEMBERS_KEY))
        if setting is not None:
            opened = frozenset(setting.value.split())
        else:
            opened = self.members.get(tenant, self.members.get(_ANY_TENANT, frozenset()))
        held = ""
        with suppress(RefusedError):
            held = self.chosen(tenant, channel, channel_settings).name
        return tuple(name for name in self.names(tenant) if name == held or name in opened or EVERY in opened)

    def skipped(self, tenant: str = "") -> tuple[str, ...]:
        """The names of files that look like configurations and are none, since nobody could type them; sorted.

        Of a `tenant` that may use some configurations alone, those which could be one of them.
        """
        mine = self.allowed.get(tenant, self.allowed.get(_ANY_TENANT)) if tenant else None
        offered = {path.name for path in self._files().values()}
        with suppress(OSError):
            names = sorted(entry.name for entry in os.scandir(self.folder) if entry.name not in offered)
            return tuple(
                name
                for name in names
                if name.lower().endswith(_ENDINGS) and not name.startswith(".")
                if mine is None or Path(name).stem.lower() in mine
            )
        return ()

    def _only(self, tenant: str) -> str:
        names = self.names(tenant)
        return names[0] if len(names) == 1 else ""

    def _files(self) -> dict[str, Path]:
        """The files in the folder whose names fit; a link counts only if it stays inside."""
        try:
            home = self.folder.resolve(strict=True)
            with os.scandir(home) as entries:
                paths = [Path(entry.path) for entry in entries if entry.name.endswith(".yaml")]
        except OSError:
            return {}
        return {
            path.stem: path
            for path in paths
            if _NAME.fullmatch(path.stem) and path.is_file() and path.resolve().is_relative_to(home)
        }


@contextmanager
def told_without_folder(path: Path, by: Person) -> Generator[None]:
    """Have complaints about a file name it without its folder, and be shown to administrators alone."""
    try:
        yield
    except ConfigError as error:
        kind = ShownConfigError if by.is_admin else ConfigError
        raise kind([without_folder(each, path) for each in error.diagnostics]) from None


def without_folder(text: Text, path: Path) -> Text:
    """A text about a file: where the operator keeps things is nobody's business in a chat."""
    return text.mapped(lambda value: value.replace(f"{path.parent}{os.sep}", ""))
