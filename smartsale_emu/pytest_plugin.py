"""Fixtures for the tests of a register: a pinpad with a bank of its own for each test.

    def test_a_sale(pinpad):
        pinpad.insert("mir-chip", pin="1234")
        assert my_register.sell(pinpad.port, 10000)
        assert pinpad.expect_sale("100.00").approved

At the end of a test that has passed every pinpad is checked (`Pinpad.check`): nothing unexpected on the line,
bank, pinpad and register agree about the money, nobody was charged twice. The report of a test that failed
tells what its pinpads did. Every pytest run loads this module: it imports nothing before a fixture is used.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from smartsale_emu.control import Pinpad, VirtualPinpad
    from smartsale_emu.control.bank import BankDesk
    from smartsale_emu.control.watched import Watched

OPTIONS = {
    "port": "where pinpads listen, as of `smartsale-emu run --port` (default: a port of its own for each)",
    "terminal_profile": "the terminal: the name of a profile, or a file",
    "bank_profile": "the bank: the name of a profile, or a file",
    "scheme": "who connects to the bank: kph, the pinpad, or pkh, the register",
    "card": "the card that the customer presents whenever he is asked for one",
    "pin": "what he types when he is asked for a PIN",
}
"""Arguments of `Pinpad` that options (``--pinpad-…``) and ini keys (``pinpad_…``) give."""

_WATCHED = pytest.StashKey[list[tuple[str, "Watched"]]]()
_PASSED = pytest.StashKey[bool]()

PinpadFactory = Callable[..., "Pinpad"]
"""What `pinpad_factory` is: takes the arguments of `Pinpad`, and ``check``; returns one that has started."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--pinpad-port`` and its like, and ini keys of the same names."""
    group = parser.getgroup("smartsale-emu", "pinpads of smartsale-emu")
    for name, about in OPTIONS.items():
        group.addoption(f"--pinpad-{name.replace('_', '-')}", dest=f"pinpad_{name}", default=None, help=about)
        parser.addini(f"pinpad_{name}", about, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "pinpad(card=..., check=True, ...): arguments of smartsale_emu.control.Pinpad for the pinpads of a "
        "test; check=False: they are not checked at its end",
    )


@pytest.fixture
def pinpad_factory(request: pytest.FixtureRequest) -> Iterator[PinpadFactory]:
    """Start as many pinpads as a test needs, each with its own bank: ``pinpad_factory(card="mir-chip")``."""
    from smartsale_emu.control import Pinpad

    made: list[tuple[Pinpad, bool]] = []

    def make(**arguments: Any) -> Pinpad:
        _refuse_unknown("pinpad_factory", arguments, Pinpad)
        given = _arguments(request) | arguments
        checked = given.pop("check", True)
        with _told_briefly(request.config, given):
            pinpad = Pinpad(**given)
            made.append((pinpad, checked))
            pinpad.start()
        _watch(request, f"pinpad {pinpad.port}", pinpad)
        return pinpad

    yield make
    try:
        _check(request, [pinpad for pinpad, checked in made if checked])
    finally:
        for pinpad, _ in made:
            pinpad.close()


@pytest.fixture
def pinpad(pinpad_factory: PinpadFactory) -> "Pinpad":
    """A pinpad on a port of its own with a fresh bank; ``pinpad.port`` is what a register opens."""
    return pinpad_factory()


@pytest.fixture
def virtual_pinpad(request: pytest.FixtureRequest) -> "Iterator[VirtualPinpad]":
    """A pinpad in memory, with our register and a clock that jumps: ``virtual_pinpad.ask("sale 100.00")``."""
    from smartsale_emu.control import VirtualPinpad

    given = _arguments(request)
    checked = given.pop("check", True)
    known = inspect.signature(VirtualPinpad).parameters
    with _told_briefly(request.config, given):
        pinpad = VirtualPinpad(**{name: value for name, value in given.items() if name in known})
    _watch(request, "virtual pinpad", pinpad)
    yield pinpad
    _check(request, [pinpad] if checked else [])


@pytest.fixture
def bank(request: pytest.FixtureRequest) -> "BankDesk":
    """The bank behind the test's pinpad: ``bank.decline("51")``, ``bank.ledger``."""
    virtual = "virtual_pinpad" in request.fixturenames and "pinpad" not in request.fixturenames
    found: BankDesk = request.getfixturevalue("virtual_pinpad" if virtual else "pinpad").bank
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tell in the report of a test that failed what its pinpads did."""
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    if report.failed:
        told = str(call.excinfo.value) if call.excinfo is not None else ""
        stories = [(title, pinpad.story()) for title, pinpad in item.stash.get(_WATCHED, [])]
        report.sections += [(title, story) for title, story in stories if story not in told]


def _arguments(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what options, ini keys and markers say; of the markers the nearest to the test wins.

    The marker of a class or a module may say what only its tests with a port need; that of a test may not.
    """
    from smartsale_emu.control import Pinpad, VirtualPinpad

    found: dict[str, Any] = {name: value for name, value, _ in _for_all(request.config)}
    for node, marker in reversed(list(request.node.iter_markers_with_node("pinpad"))):
        if marker.args:
            _fail(f"@pytest.mark.pinpad takes keywords only, such as card='mir-chip', not {marker.args[0]!r}")
        _refuse_unknown("@pytest.mark.pinpad", marker.kwargs, Pinpad)
        if node is request.node and "pinpad_factory" not in request.fixturenames:
            _refuse_unknown("@pytest.mark.pinpad for virtual_pinpad", marker.kwargs, VirtualPinpad)
        found |= marker.kwargs
    return found


def _for_all(config: pytest.Config) -> Iterator[tuple[str, str, str]]:
    """Yield the arguments that options and ini keys give: name, value, and what gives it."""
    for name in OPTIONS:
        if option := config.getoption(f"pinpad_{name}"):
            yield name, option, f"--pinpad-{name.replace('_', '-')}"
        elif value := config.getini(f"pinpad_{name}"):
            yield name, value, f"ini key pinpad_{name}"


def _refuse_unknown(who: str, given: Mapping[str, object], kind: type) -> None:
    from smartsale_emu.scenario.meant import there_is

    known = {*inspect.signature(kind).parameters, "check"}
    for name in given.keys() - known:
        _fail(f"{who}: {name!r} is not known; {there_is(name, sorted(known))}")


def _watch(request: pytest.FixtureRequest, title: str, pinpad: "Watched") -> None:
    request.node.stash.setdefault(_WATCHED, []).append((title, pinpad))


def _check(request: pytest.FixtureRequest, pinpads: "list[Any]") -> None:
    """Check pinpads, and a warning may be an error; one that failed already is not blamed again."""
    from smartsale_emu.control.watched import UnexpectedError, UnmetFaultWarning

    if not request.node.stash.get(_PASSED, False):
        return
    problems = []
    for pinpad in pinpads:
        try:
            pinpad.check()
        except (UnexpectedError, UnmetFaultWarning) as error:
            problems.append(str(error))
    if problems:
        _fail("\n\n".join(problems))


@contextmanager
def _told_briefly(config: pytest.Config, given: dict[str, Any]) -> Iterator[None]:
    """Tell what a user gave wrong in one line, without our source; an option or ini key by its name."""
    from smartsale_emu.errors import SetupError

    try:
        yield
    except (SetupError, TypeError) as error:
        text = str(error)
        wrong = [
            origin
            for name, value, origin in _for_all(config)
            if given.get(name) == value and _speaks_of(text, name.replace("_", " "), value)
        ]
        raise pytest.fail.Exception(f"{', '.join(wrong) or 'pinpad'}: {text}", pytrace=False) from None


def _speaks_of(text: str, *words: str) -> bool:
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in words)


def _fail(text: str) -> None:
    pytest.fail(text, pytrace=False)
