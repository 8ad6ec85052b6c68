"""The description of the control API: ``python -m smartsale_emu.control.openapi`` writes ``openapi.json``.

A test fails when the file is stale.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from smartsale_emu.control.api import create_app
from smartsale_emu.control.api_models import Setup
from smartsale_emu.control.api_service import Service
from smartsale_emu.control.event_log import EventLog
from smartsale_emu.control.hub import the_hub
from smartsale_emu.control.served_pinpad import ServedPinpad
from smartsale_emu.control.settings import the_library
from smartsale_emu.control.story_teller import StoryTeller
from smartsale_emu.runtime.live_stage import live_stage
from smartsale_emu.scenario.model import Setting

FILE: Final = Path(__file__).with_name("openapi.json")


def description() -> str:
    """Return the description as the file holds it."""
    return json.dumps(create_app(_service()).openapi(), ensure_ascii=False, indent=1) + "\n"


def _service() -> Service:
    """Return a pinpad that is never switched on."""
    setting, library, ports = Setting(), the_library(), list[str]()
    stage = live_stage(
        setting, "tcp:127.0.0.1:0", the_hub().wait, seed=1, ready=ports.append, library=library
    )
    pinpad = ServedPinpad(
        stage,
        the_hub(),
        EventLog(datetime(2026, 1, 15)),
        epoch=datetime(2026, 1, 15),
        vet=lambda _text, _origin: None,
        ports=ports,
    )
    setup = Setup(terminal_profile="", bank_profile="", rules="", scheme="", terminal_id="")
    return Service(pinpad, setup, StoryTeller(pinpad, library, setup))


if __name__ == "__main__":
    FILE.write_text(description(), encoding="utf-8", newline="\n")
