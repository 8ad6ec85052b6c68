"""Key schemes between real processes: a pinpad, a bank of its own, and register processes.

Whatever protects the messages, both ends agree at the end of the day, also when one of them was restarted.
"""

import contextlib
import sqlite3
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from e2e_kit import QUICK, Desk, bank, bank_kept, ledger, memory_of, pinpad, pinpad_kept, settled, until

Capture = pytest.CaptureFixture[str]
PROFILES = ("nac-bcd", "tbank-style", "dukpt-tdes", "dukpt-aes")
STRIPE = ("--card", "mastercard-magstripe", "--card-delay", "0", "--pin-delay", "0")
SESSION = ("nac-bcd", "tbank-style")


def offers(bank_state: Path) -> int:
    """How many offers of keys, those of the slots included, the bank still counts with."""
    file = bank_state / "bank.sqlite"
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM key_offers").fetchone()[0])


@pytest.mark.parametrize("profile", PROFILES)
def test_a_day_with_a_restart_in_the_middle(profile: str, tmp_path: Path, capsys: Capture) -> None:
    state, bank_state = tmp_path / "pinpad", tmp_path / "bank"
    profiled = ("--bank-profile", profile)
    with bank(bank_state, "--listen", "tcp:127.0.0.1:0", *profiled) as host:
        way = (*QUICK, *profiled, "--host", host.port)
        with pinpad(state, *way) as served:
            desk = Desk(served.port)
            paid = desk.done("sale", "10.00")
            desk.done("void", "2.50", *paid.reference)
            if profile in SESSION:
                desk.done("key-change")
                assert [key["usage"] for key in memory_of(state)["keys"]["session"]] == ["pin", "mac"]
                assert offers(bank_state) == 2
            else:
                assert desk.refused(16, "key-change")[15] == "012"
            desk.done("sale", "4.00")
        held = memory_of(state)["keys"]
        with pinpad(state, *way) as served:
            desk = Desk(served.port)
            desk.done("sale", "3.00")
            until(lambda: settled(state), "nothing is owed")
            assert pinpad_kept(state) == bank_kept(bank_state) == (4, 1000 + 250 + 400 + 300)
            assert ledger(capsys, state, bank_state)["agree"] is True
            desk.done("settlement")
            until(lambda: memory_of(state)["day"] == 2, "the day is closed")
            desk.done("sale", "1.00")
    if profile in SESSION:
        assert memory_of(state)["keys"] == held, "kept over the restart"
        assert offers(bank_state) == 1, "the bank has seen the new keys in use, and forgot the others"
    else:
        assert memory_of(state)["keys"]["ksn"] > held["ksn"], "no key serial number comes again"
    assert ledger(capsys, state, bank_state)["agree"] is True


@pytest.mark.parametrize("profile", SESSION)
def test_new_keys_outlive_the_bank(profile: str, tmp_path: Path, capsys: Capture) -> None:
    """The bank is restarted on its file: it still knows which keys its pinpad has, and takes no others."""
    state, bank_state = tmp_path / "pinpad", tmp_path / "bank"
    profiled = ("--bank-profile", profile)
    for change in ("key-change", "test"):
        with ExitStack() as stack:
            host = stack.enter_context(bank(bank_state, "--listen", "tcp:127.0.0.1:0", *profiled))
            served = stack.enter_context(pinpad(state, *QUICK, *profiled, "--host", host.port))
            desk = Desk(served.port)
            desk.done(change)
            desk.done("sale", "10.00")
            until(lambda: settled(state), "nothing is owed")
    assert ledger(capsys, state, bank_state)["agree"] is True
    assert bank_kept(bank_state) == (2, 2000)
    other = tmp_path / "another pinpad"
    with ExitStack() as stack:
        host = stack.enter_context(bank(bank_state, "--listen", "tcp:127.0.0.1:0", *profiled))
        served = stack.enter_context(pinpad(other, *STRIPE, *profiled, "--host", host.port))
        desk = Desk(served.port)
        desk.refused(53, "sale", "7.00")
        assert bank_kept(bank_state) == (2, 2000), "the keys of the slots are not taken any more"
        desk.done("key-change")
        desk.done("sale", "3.00")
        until(lambda: settled(other), "what was owed is undone with the new keys, in front of the sale")
    assert bank_kept(bank_state) == (3, 2300)


def test_both_ends_under_different_schemes_tell_so_and_move_nothing(tmp_path: Path) -> None:
    state, bank_state = tmp_path / "pinpad", tmp_path / "bank"
    with ExitStack() as stack:
        theirs = ("--listen", "tcp:127.0.0.1:0", "--bank-profile", "dukpt-aes")
        host = stack.enter_context(bank(bank_state, *theirs))
        ours = (*QUICK, "--bank-profile", "dukpt-tdes", "--host", host.port)
        served = stack.enter_context(pinpad(state, *ours))
        assert Desk(served.port).ask("sale", "10.00")[39] in ("16", "53")
    assert bank_kept(bank_state) == (0, 0)


def test_one_process_with_its_own_bank_speaks_every_profile(tmp_path: Path) -> None:
    for profile in PROFILES:
        with pinpad(tmp_path / profile, *QUICK, "--bank-profile", profile) as served:
            desk = Desk(served.port)
            desk.done("sale", "10.00")
            desk.done("settlement")
