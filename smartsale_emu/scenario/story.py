"""A story to be told: steps of register and customer, read from a TOML file of ``scenarios/``."""

import tomllib
from dataclasses import dataclass, fields
from typing import Any

from smartsale_emu.errors import ProfileError
from smartsale_emu.register.requests import OPERATIONS
from smartsale_emu.register.session import FinalHabit
from smartsale_emu.units import NOTHING, MinorUnits


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One request. ``tell``: what it shows; ``final``: what the register says to the answer."""

    tell: str
    operation: str
    amount: MinorUnits = NOTHING
    card: str = ""
    pin: str = ""
    final: FinalHabit = FinalHabit.ACK


@dataclass(frozen=True, slots=True)
class Story:
    """Steps in their order."""

    title: str
    steps: tuple[StoryStep, ...]


def parse_story(text: str, *, origin: str) -> Story:
    """Read a story; ``origin`` names the file in errors.

    Raises:
        ProfileError: broken TOML, an unknown key, or a bad value.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{origin}: {error}") from None
    steps = document.get("step")
    if not isinstance(steps, list) or not isinstance(document.get("title"), str):
        raise ProfileError(f"{origin}: a story has a title and tables [[step]]")
    parsed = tuple(_step(step, f"{origin}: step {number}") for number, step in enumerate(steps, start=1))
    return Story(document["title"], parsed)


def _step(step: dict[str, Any], where: str) -> StoryStep:
    known = {field.name: field for field in fields(StoryStep)}
    for key in step:
        if key not in known:
            raise ProfileError(f"{where}: {key}: is not a key of a step; there is: {', '.join(known)}")
    if step.get("operation") not in OPERATIONS or not isinstance(step.get("tell"), str):
        raise ProfileError(f"{where}: needs tell = a text and operation = one of {', '.join(OPERATIONS)}")
    final = step.get("final", FinalHabit.ACK.value)
    if final not in list(FinalHabit):
        raise ProfileError(f"{where}: final: must be one of {', '.join(FinalHabit)}")
    return StoryStep(**{**step, "final": FinalHabit(final)})
