"""The pytest plugin, as somebody else's tests use it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smartsale_emu.control import VirtualPinpad

pytest_plugins = ["pytester"]

REGISTER = Path(__file__).parent / "sample_register" / "register.py"


@pytest.fixture(scope="module", autouse=True)
def all_is_imported() -> None:
    """Once for all runs in this process: each forgets what it imports; there is one hub, one OpenSSL."""
    VirtualPinpad(card="mir-chip", pin="1234").ask("sale 1.00")


@pytest.fixture
def somebody(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of tests with the sample register in it."""
    pytester.makepyfile(register=REGISTER.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider --strict-markers\n")
    return pytester


def outcome(somebody: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    """Run tests that somebody has written."""
    somebody.makepyfile(test_shop=f"import pytest\nfrom register import *\n\n{test}")
    return somebody.runpytest_inprocess(*options)


def test_a_double_charge_fails_at_the_end_of_the_test(somebody: pytest.Pytester) -> None:
    result = outcome(
        somebody,
        """
def test_a_customer_pays(pinpad):
    pinpad.insert("mir-chip", pin="1234")
    with Register(pinpad.port) as register:
        assert register.pay(10000)[STATUS] == "1"
        assert register.pay(10000)[STATUS] == "1"  # asks again, although it has an answer
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_a_customer_pays*",
            "The customer was charged twice: 100.00 from the card mir-chip, *",
            "  at ??:??:??, RRN *, STAN 1",
            "  at ??:??:??, RRN *, STAN 2",
            "*asks for the reversal (operation 53) before it asks again.*",
            "What happened:",
            "*register → pinpad  0=10000  25=1",
        ]
    )
    assert "pytest_plugin.py" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "- pinpad " not in result.stdout.str()  # the story is told once


def test_a_test_that_fails_tells_the_story_and_is_not_blamed_twice(somebody: pytest.Pytester) -> None:
    result = outcome(
        somebody,
        """
def test_a_customer_pays(pinpad, pinpad_factory):
    other = pinpad_factory(card="mir-contactless")
    pinpad.insert("mir-chip", pin="1234")
    with Register(pinpad.port) as register:
        register.pay(10000)
        assert register.pay(10000)[STATUS] == "16"
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError*", "*- pinpad *", "*bank: answered *", "*- pinpad *"])


def test_what_was_expected_is_told_at_the_line_of_the_test(somebody: pytest.Pytester) -> None:
    result = outcome(
        somebody,
        """
def test_a_customer_pays(pinpad):
    pinpad.insert("mir-chip", pin="1234")
    with Register(pinpad.port) as register:
        register.pay(9900)
    pinpad.expect_sale(amount="100.00")
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>*pinpad.expect_sale(amount="100.00")',
            "E *UnexpectedError: sale 100.00 was expected; *asked for 99.00, which is 1.00 less; *",
            "test_shop.py:*: UnexpectedError",
        ]
    )


def test_every_pinpad_has_its_own_port_and_bank(somebody: pytest.Pytester) -> None:
    outcome(
        somebody,
        """
def test_three(pinpad, bank, pinpad_factory):
    others = [pinpad_factory(card="mir-contactless") for _ in range(2)]
    with Register(others[0].port) as register:
        register.pay(10000)
    assert len({pinpad.port, *(other.port for other in others)}) == 3
    assert [one.bank.net for one in (pinpad, *others)] == [0, 10000, 0]
    assert bank is pinpad.bank

def test_fresh(pinpad, bank):
    assert not bank.ledger and not pinpad.exchanges
""",
    ).assert_outcomes(passed=2)


def test_the_virtual_pinpad_and_its_bank(somebody: pytest.Pytester) -> None:
    result = outcome(
        somebody,
        """
@pytest.mark.pinpad(card="mir-contactless", bank_delay="1s")
def test_virtual(virtual_pinpad, bank):
    bank.decline("51")
    assert not virtual_pinpad.ask("sale 100.00").approved
    assert len(bank.ledger) == 1

@pytest.mark.pinpad(card="mir-contactless", bank_delay="20s")
def test_slow(virtual_pinpad):
    virtual_pinpad.ask("sale 100.00")
    assert virtual_pinpad.clock.now.total_seconds() > 20

@pytest.mark.pinpad(card="mir-contactless")
def test_both(pinpad, virtual_pinpad, bank):
    assert bank is pinpad.bank

@pytest.mark.pinpad(card="mir-contactless")
def test_twice(virtual_pinpad):
    virtual_pinpad.ask("sale 100.00")
    virtual_pinpad.ask("sale 100.00")
""",
    )
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["The customer was charged twice*"])


def test_what_a_virtual_pinpad_has_no_use_for(somebody: pytest.Pytester) -> None:
    """A test's own marker may not give it; what is for many tests may be for others of them."""
    result = outcome(
        somebody,
        """
pytestmark = pytest.mark.pinpad(port="tcp:127.0.0.1:0")

@pytest.mark.pinpad(port="tcp:127.0.0.1:0")
def test_alone(virtual_pinpad):
    pass

@pytest.mark.pinpad(port="tcp:127.0.0.1:0")
def test_both(virtual_pinpad, pinpad):
    assert pinpad.port.startswith("socket:")

def test_one_of_many(virtual_pinpad):
    pass
""",
        "--pinpad-port=tcp:127.0.0.1:0",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["@pytest.mark.pinpad for virtual_pinpad: 'port' is not known; there is: bank_delay, *, check, *"]
    )


NEVER_HAPPENED = """
@pytest.mark.pinpad(card="mir-contactless")
def test_a_customer_pays(pinpad):
    pinpad.fault("line: drop 9th final")
    with Register(pinpad.port) as register:
        register.pay(100)
"""


def test_a_fault_that_has_never_happened(somebody: pytest.Pytester) -> None:
    result = outcome(somebody, NEVER_HAPPENED, "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*UnmetFaultWarning: the fault 'line: drop 9th final' has never happened"])


def test_a_warning_that_is_an_error(somebody: pytest.Pytester) -> None:
    result = outcome(somebody, NEVER_HAPPENED)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["the fault 'line: drop 9th final' has never happened"])
    assert "smartsale_emu" not in result.stdout.str()


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ('pinpad.fault("line: lose final")', "ValueError: 'lose final' is not understood; *"),
        ('pinpad.fault("drop final")', "ValueError: 'drop final' must begin with one of bank, line, *"),
        ('pinpad.insert("mir-chpi")', "*ProfileError: card 'mir-chpi' is not known; is 'mir-chip' *"),
        ('pinpad.tap("mir-chip", pin="12")', "ValueError: a PIN has 4 to 12 digits"),
        ('pinpad.type_pin("12")', "ValueError: a PIN has 4 to 12 digits"),
        ('bank.decline("51", to="monye")', "ValueError: 'decline 51 to monye' is not understood; *"),
        ("bank.approve_only(4000)", "TypeError: an amount is a text or a Decimal, *"),
        ('bank.balance("mir-chpi")', "ValueError: card 'mir-chpi' has no account; *"),
        ("pinpad.expect_sale(10000)", "TypeError: an amount is a text or a Decimal, *"),
    ],
)
def test_a_slip_is_told_at_the_line_of_the_test(somebody: pytest.Pytester, slip: str, told: str) -> None:
    result = outcome(somebody, f"def test_it(pinpad, bank):\n    {slip}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">*{slip}", f"E *{told}", "test_shop.py:5: *Error"])
    assert re.findall(r"\S+\.py:\d+", result.stdout.str()) == ["test_shop.py:5"]


def test_a_customer_who_was_forgotten(somebody: pytest.Pytester) -> None:
    result = outcome(
        somebody,
        """
def test_a_customer_pays(pinpad):
    with Register(pinpad.port, patience=0.2) as register:
        register.ask({AMOUNT: "100", CURRENCY: "643", OPERATION: "1"})
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *NoAnswer", "*- pinpad *", 'nobody presented a card: pinpad.insert("mir-chip", pin="1234")']
    )


def test_a_test_that_does_not_want_to_be_checked(somebody: pytest.Pytester) -> None:
    outcome(
        somebody,
        """
@pytest.mark.pinpad(card="mir-contactless", check=False)
def test_twice(pinpad, virtual_pinpad):
    virtual_pinpad.ask("sale 100.00")
    virtual_pinpad.ask("sale 100.00")
    with Register(pinpad.port) as register:
        register.pay(100), register.pay(100)
""",
    ).assert_outcomes(passed=1)


SHOWS_ITS_CARD = """
def test_card(pinpad):
    with Register(pinpad.port) as register:
        assert register.pay(100)[10][-4:] == {card!r}
"""


@pytest.mark.parametrize(
    ("ini", "options", "mark", "card"),
    [
        ("", ["--pinpad-card", "mir-contactless"], "", "0013"),
        ("pinpad_card = mir-contactless\n", [], "", "0013"),
        ("pinpad_card = mir-contactless\npinpad_pin = 1234\n", ["--pinpad-card", "mir-chip"], "", "9019"),
        ("pinpad_card = mir-chip\n", [], '@pytest.mark.pinpad(card="mir-contactless")', "0013"),
        ("pinpad_port = tcp:127.0.0.1:0\n", ["--pinpad-card=mir-contactless"], "", "0013"),
    ],
)
def test_options_and_ini_keys_and_the_marker(
    somebody: pytest.Pytester, ini: str, options: list[str], mark: str, card: str
) -> None:
    """The marker is stronger than an option, and that is stronger than the ini file."""
    somebody.makeini(f"[pytest]\n{ini}")
    outcome(somebody, mark + SHOWS_ITS_CARD.format(card=card), *options).assert_outcomes(passed=1)


def test_the_nearest_marker_wins(somebody: pytest.Pytester) -> None:
    outcome(
        somebody,
        """
pytestmark = pytest.mark.pinpad(card="mir-contactless", pin="1234")

@pytest.mark.pinpad(card="mir-chip")
"""
        + SHOWS_ITS_CARD.format(card="9019"),
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (
            'crad="mir-chip"',
            "@pytest.mark.pinpad: 'crad' is not known; is 'card' meant? there is: bank_delay,*",
        ),
        ('"mir-chip"', "@pytest.mark.pinpad takes keywords only, such as card='mir-chip', not 'mir-chip'"),
        ('card="mir-chpi"', "pinpad: *'mir-chpi' is not known; is 'mir-chip' meant? there is: *"),
        ('port="tcp:1"', "pinpad: port 'tcp:1' is not understood: *"),
        ('scheme="both"', "pinpad: scheme: *"),
        ('terminal_profile="no-such"', "pinpad: *no-such*"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(somebody: pytest.Pytester, mark: str, told: str) -> None:
    result = outcome(somebody, f"@pytest.mark.pinpad({mark})\ndef test_it(pinpad):\n    pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_it*", told])
    lines = [line for line in result.outlines if not line.startswith("=")]
    assert sum(line.startswith(told[:7]) for line in lines) == 1
    assert "pytest_plugin.py" not in result.stdout.str()


def test_what_is_wrong_with_a_factory_is_told_in_one_line(somebody: pytest.Pytester) -> None:
    result = outcome(somebody, 'def test_it(pinpad_factory):\n    pinpad_factory(pn="1")\n')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["pinpad_factory: 'pn' is not known; is 'pin' meant? there is: bank_delay, *, check, *"]
    )
    assert "pytest_plugin.py" not in result.stdout.str()


@pytest.mark.parametrize(
    ("ini", "options", "mark", "told"),
    [
        ("", ["--pinpad-card=nope"], "", "--pinpad-card: customer.card: 'nope' is not known; there is: *"),
        ("pinpad_card = nope\n", [], "", "ini key pinpad_card: customer.card: 'nope' is not known; *"),
        ("pinpad_card = nope\n", ["--pinpad-card=nay"], "", "--pinpad-card: customer.card: 'nay' *"),
        ("pinpad_card = nope\n", [], '(card="nay")', "pinpad: customer.card: 'nay' is not known; *"),
        ("pinpad_card = mir-chip\n", ["--pinpad-pin=12"], "", "--pinpad-pin: customer.pin: *"),
        ("", ["--pinpad-terminal-profile=no-such"], "", "--pinpad-terminal-profile: terminal profile *"),
        ("pinpad_bank_profile = no.toml\n", [], "", "ini key pinpad_bank_profile: bank profile no.toml: *"),
        ("", ["--pinpad-port=tcp:256.0.0.1:9"], "", "--pinpad-port: *tcp:256.0.0.1:9*"),
    ],
)
def test_an_option_that_is_wrong_is_named(
    somebody: pytest.Pytester, ini: str, options: list[str], mark: str, told: str
) -> None:
    somebody.makeini(f"[pytest]\n{ini}")
    result = outcome(somebody, f"@pytest.mark.pinpad{mark}\ndef test_it(pinpad):\n    pass\n", *options)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([told])
    assert "pytest_plugin.py" not in result.stdout.str()


def test_workers_are_not_in_each_others_way(somebody: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    somebody.makepyfile(
        test_many="""
import pytest
from register import Register

@pytest.mark.parametrize("amount", range(1, 25))
@pytest.mark.pinpad(card="mir-contactless")
def test_sale(pinpad, amount):
    with Register(pinpad.port) as register:
        register.pay(amount)
    assert pinpad.expect_sale().amount == amount
    assert pinpad.bank.net == amount
"""
    )
    somebody.runpytest_subprocess("-n", "2", "-q").assert_outcomes(passed=24)


def test_it_works_without_a_plugin_of_ours_being_used(somebody: pytest.Pytester) -> None:
    """It registers a marker and imports nothing more."""
    somebody.makepyfile(
        test_nothing="""
import sys

def test_nothing():
    ours = {name for name in sys.modules if name.startswith("smartsale_emu")}
    assert ours == {"smartsale_emu", "smartsale_emu.pytest_plugin"}
"""
    )
    somebody.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy() -> None:
    script = (
        "import pytest, contextlib, inspect, sys; before = set(sys.modules)\n"
        "import smartsale_emu.pytest_plugin; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["smartsale_emu", "smartsale_emu.pytest_plugin"]
