"""The mutation check itself takes a while; that each of its mutants fits the source is seen here."""

from mutants import EQUIVALENT, every_mutant


def test_every_mutant_fits_the_source() -> None:
    assert {mutant.name for mutant in every_mutant()} > set(EQUIVALENT)
