"""What stands on the buttons and fields that a person looks for, by language."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

INTEGRATION = Path(__file__).resolve().parents[2] / "custom_components" / "hikari_denwa"


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of Home Assistant's own pages; ``ours`` are those of the integration."""

    language: str
    locale: str
    submit: str
    skip_and_finish: str
    add_dashboard: str
    from_scratch: str
    title: str
    url: str
    create: str
    add_card: str
    search_entities: str
    suggestions: str
    tile: str
    with_button: str
    press: str
    done: str
    add: str
    close: str
    menu: str
    configure: str
    reconfigure: str
    reauthenticate: str
    finish: str
    friend: str
    friend_reading: str

    @cached_property
    def ours(self) -> dict[str, Any]:
        """Read the integration's translation."""
        path = INTEGRATION / "translations" / f"{self.language}.json"
        translation: dict[str, Any] = json.loads(path.read_text())
        return translation

    def field(self, step: str, name: str) -> str:
        """Return the label of a field of the config flow."""
        label: str = self.ours["config"]["step"][step]["data"][name]
        return label

    def entity(self, domain: str, key: str) -> str:
        """Return the name of an entity."""
        name: str = self.ours["entity"][domain][key]["name"]
        return name

    def common(self, key: str, **placeholders: str) -> str:
        """Return a sentence that belongs to no entity."""
        sentence: str = self.ours["common"][key]
        return sentence.format(**placeholders)

    def call_state(self, state: str) -> str:
        """Return a state of the call's sensor."""
        shown: str = self.ours["entity"]["sensor"]["call_state"]["state"][state]
        return shown


ENGLISH = Words(
    language="en",
    locale="en-US",
    submit="Submit",
    skip_and_finish="Skip and finish",
    add_dashboard="Add dashboard",
    from_scratch="New dashboard from scratch",
    title="Title",
    url="URL",
    create="Create",
    add_card="Add card",
    search_entities="Search entities",
    suggestions="Suggestions",
    tile="Tile",
    with_button="Tile - Button",
    press="Press",
    done="Done",
    add="Add",
    close="Close",
    menu="Menu",
    configure="Configure",
    reconfigure="Reconfigure",
    reauthenticate="Reconfigure",
    finish="Finish",
    friend="Grandma",
    friend_reading="Grandma",
)
JAPANESE = Words(
    language="ja",
    locale="ja-JP",
    submit="送信",
    skip_and_finish="スキップして終了",
    add_dashboard="ダッシュボードを追加",
    from_scratch="新しいダッシュボードを一から作る",
    title="タイトル",
    url="URL",
    create="作成",
    add_card="カードを追加",
    search_entities="エンティティを検索",
    suggestions="提案",
    tile="タイル",
    with_button="タイル - ボタン",
    press="押す",
    done="終了",
    add="追加",
    close="閉じる",
    menu="メニュー",
    configure="設定",
    reconfigure="再設定",
    reauthenticate="再設定",
    finish="完了",
    friend="祖父母の家",
    friend_reading="そふぼのいえ",
)
