"""What the resources of the control API work on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from smartsale_emu.control.api_models import Setup
from smartsale_emu.control.served_pinpad import ServedPinpad
from smartsale_emu.control.story_teller import StoryTeller

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """A pinpad and what is told of it. ``over``: set when the server ends."""

    pinpad: ServedPinpad
    setup: Setup
    stories: StoryTeller
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self, view: Callable[[ServedPinpad], Result]) -> Result:
        """Return a view of the pinpad at one moment."""
        return self.pinpad.look(lambda: view(self.pinpad))
