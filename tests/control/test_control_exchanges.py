"""Amounts as a test writes them."""

import re
from decimal import Decimal

import pytest

from smartsale_emu.control.exchanges import minor_units


@pytest.mark.parametrize("amount", [100, 1.5])
def test_a_number_that_may_be_roubles_or_kopecks(amount: object) -> None:
    with pytest.raises(TypeError, match=r"an amount is a text or a Decimal, such as '100.00', not 1"):
        minor_units(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "amount",
    [
        *(
            "",
            "100,00",
            "1.005",
            "1e3",
            "1_0",
            " 5 ",
            "5\n",
            "+5",
            "-5",
            ".5",
            "5.",
            "NaN",
            "١٢",
            "12345678901",
        ),
        *map(Decimal, ("1.005", "-0.01", "NaN", "sNaN", "Infinity", "1e10", "1e999999", "1e-999999")),
    ],
)
def test_what_is_no_amount(amount: str | Decimal) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(repr(amount))} is no amount such as 100.00$"):
        minor_units(amount)


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        ("0", 0),
        ("7", 700),
        ("7.5", 750),
        ("0007.05", 705),
        ("9999999999.99", 999999999999),
        (Decimal("1e3"), 100000),
        (Decimal("1.20") * Decimal("3.50"), 420),
    ],
)
def test_an_amount(amount: str | Decimal, units: int) -> None:
    assert minor_units(amount) == units
