"""Card numbers that are known to be for tests, so that nobody types a real one into an emulator by mistake.

Whole numbers are compared: test cards of Mir lie in ranges of real ones, so that a beginning tells nothing.
"""

_MIR = frozenset(
    {
        "2200000000000004",  # a payment sandbox of a Russian acquirer
        "2201382000000013",
        "2200123456789019",
        "2202201234567895",
    }
)
_VISA = frozenset({"4111111111111111", "4761739001010119", "4761739001010010"})
_MASTERCARD = frozenset({"5413330089020011", "5413330089010012", "5555555555554444", "2223000048400011"})
_OTHERS = frozenset({"6212345678901232", "3530111333300000"})  # UnionPay, JCB
_SELF_MADE = frozenset(
    {
        "2201382000000559",  # mir-blocked
        "2204900013572467",  # mir-broken-chip
        "2200700011122230",  # mir-expired
        "2203900012345676",  # mir-issuer-down
        "2204000098765431",  # mir-limited
        "2202200001117777",  # mir-poor
        "2200300076543212",  # mir-system-error
        "2201900011123456",  # mir-unknown
    }
)

KNOWN_TEST_PANS: dict[str, frozenset[str]] = {
    "Mir, public lists of test cards": _MIR,
    "Visa, public lists of test cards": _VISA,
    "Mastercard, public lists of test cards": _MASTERCARD,
    "UnionPay and JCB, public lists of test cards": _OTHERS,
    "self-made for the card files of this project": _SELF_MADE,
}
"""Source to numbers."""

_ALL = frozenset().union(*KNOWN_TEST_PANS.values())


def is_test_pan(pan: str) -> bool:
    """Tell whether a card number is one of the known test numbers, compared whole.

    >>> is_test_pan("4111111111111111"), is_test_pan("4111111111111"), is_test_pan("")
    (True, False, False)
    """
    return pan in _ALL
