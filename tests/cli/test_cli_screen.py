"""The pinpad in the foreground, seen without a terminal: what it prints is exactly what is so."""

from datetime import datetime
from pathlib import Path

import pytest

from smartsale_emu.cli.screen import Screen
from smartsale_emu.emulator import Trace
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.runtime.assembly import load_card
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import Millis


def screen(state: str, holder: Cardholder) -> Screen:
    return Screen(Path(state), holder, datetime(2026, 11, 23, 9, 30))


def test_brackets_in_a_path_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    screen("/tmp/a[b]c", Cardholder(None))._ready("/tmp/a[/b]c/port")
    printed = capsys.readouterr().out
    assert "The pinpad is on /tmp/a[/b]c/port  (memory in /tmp/a[b]c)\n" in printed
    assert "--port /tmp/a[/b]c/port\n" in printed
    assert "The customer is you" in printed


def test_a_customer_who_acts_by_himself_is_announced(capsys: pytest.CaptureFixture[str]) -> None:
    holder = Cardholder(load_card("mir-chip").card, Secret("1234"))
    screen("x", holder)._ready("COM9")
    printed = capsys.readouterr().out
    assert "The card mir-chip is ready: it presents itself when asked for, and its PIN is typed." in printed
    assert "1234" not in printed


def test_traces_have_the_time_of_the_calendar(capsys: pytest.CaptureFixture[str]) -> None:
    shown = screen("x", Cardholder(None))
    shown.see(Trace("frame", "frame", {"direction": "out", "unit": "STX", "bytes": 10}), Millis(61_500))
    shown.see(
        Trace("message", "m", {"direction": "in", "fields": [[25, "OPERATION_CODE", "1"], [90, "R", "x"]]}),
        Millis(61_501),
    )
    assert capsys.readouterr().out.splitlines() == [
        "09:31:01.500  frame    STX of 10 bytes: frame",
        "09:31:01.501  message  register → pinpad  OPERATION_CODE=1  R=‹receipt›",
    ]
