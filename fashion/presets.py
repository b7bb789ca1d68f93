"""A teacher's preset: settings of which some are fixed and some are hidden, as it stands in a link.

Plain values in, plain values out: what comes from a link is a stranger's, so it is looked up and never acted upon.
Drawing is `ui/preset_view.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fashion.errors import SettingsError
from fashion.settings import DEFAULTS, FIELDS, RunSettings, defaults_for

MAX_LENGTH = 1000
"""Characters of a list of names that are looked at; all names together have fewer."""
_NAMED_PROBLEMS = 5


@dataclass(frozen=True)
class Preset:
    """What a link asks for: the settings to begin with, and the names of those fixed (shown) and hidden."""

    settings: RunSettings
    fixed: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def pinned(self) -> dict[str, object]:
        """Name -> value of all settings that the student cannot change."""
        return {name: getattr(self.settings, name) for name in (*self.fixed, *self.hidden)}

    def agrees_with(self, settings: RunSettings) -> bool:
        """Whether these settings leave alone what is fixed and hidden."""
        return all(getattr(settings, name) == value for name, value in self.pinned.items())


def read(fixed: str, hidden: str, linked: Mapping[str, object]) -> tuple[Preset | None, list[str]]:
    """The preset of a link, or None if nothing of it can be used; and what cannot, a sentence each.

    fixed, hidden: names with commas between. linked: the settings that the link gives, each valid by itself; what is
    fixed and not given is fixed at its default.
    """
    problems: list[str] = []
    first = _names("fixed", fixed, problems)
    second = _names("hidden", hidden, problems)
    both = [name for name in second if name in first]
    if both:
        problems.append(
            f"A setting is either `fixed` or `hidden`. Received both of {', '.join(f'`{name}`' for name in both)}: shown, as fixed."
        )
        second = [name for name in second if name not in both]
    if not first and not second:
        return None, problems
    dataset = linked.get("dataset", DEFAULTS.dataset)
    try:
        settings = RunSettings.from_json(
            defaults_for(dataset, linked.get("architecture", "")).to_json()
            | {"dataset": dataset}
            | dict(linked)
        )
    except SettingsError as error:
        return None, [
            *problems,
            f"What the link fixes contradicts itself. {error} Nothing is fixed or hidden.",
        ]
    return Preset(settings, tuple(first), tuple(second)), problems


def parameters(preset: Preset, words: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the preset's link. words: those of the settings, as the form's own link has them.

    What is fixed or hidden is always written out, so that another default of a later version does not change it.
    """
    pinned = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in preset.pinned.items()
    }
    lists = {"fixed": ",".join(preset.fixed), "hidden": ",".join(preset.hidden)}
    return {**pinned, **words, **{key: text for key, text in lists.items() if text}}


def in_words(preset: Preset) -> str:
    """Who fixed and hid what, in a sentence."""
    parts = []
    if preset.fixed:
        parts.append(f"fixes {_listed(preset.fixed)}")
    if preset.hidden:
        many = len(preset.hidden) > _NAMED_PROBLEMS
        parts.append(f"hides {f'{len(preset.hidden)} settings' if many else _listed(preset.hidden)}")
    return f"Your teacher's link {' and '.join(parts)}."


def _listed(names: Collection[str]) -> str:
    labels = [f"**{FIELDS[name].label}**" for name in names]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _names(key: str, text: str, problems: list[str]) -> list[str]:
    """The known names in a list from a link, each once; the others are told."""
    found = list(dict.fromkeys(part.strip() for part in text[:MAX_LENGTH].split(",") if part.strip()))
    unknown = [name for name in found if name not in FIELDS]
    if unknown:
        named = ", ".join(repr(name[:40]) for name in unknown[:_NAMED_PROBLEMS])
        more = f" and {len(unknown) - _NAMED_PROBLEMS} more" if len(unknown) > _NAMED_PROBLEMS else ""
        problems.append(
            f"`{key}` must name settings, such as epochs. Received: {named}{more}. They are passed over."
        )
    return [name for name in found if name in FIELDS]
