"""EMV keys, cryptograms and the issuer's answers against published vectors."""

import subprocess
import sys
from pathlib import Path

import pytest

from smartsale_emu.security.cryptogram import (
    CryptogramError,
    Padding,
    application_cryptogram,
    arpc_method_1,
    arpc_method_2,
    common_session_key,
    icc_master_key,
    session_key,
)
from smartsale_emu.security.masking import SecretBytes


def key(text: str) -> SecretBytes:
    return SecretBytes(bytes.fromhex(text))


ISSUER_KEY = key("0123456789ABCDEFFEDCBA9876543210")
MTIP_KEY = key("9E15204313F7318ACB79B90BD986AD29")
CARD_KEYS = {
    "option A": (ISSUER_KEY, "9901234567890123", "45", "F84315C7B95BD3B0C74694922C3808B0"),
    "no sequence": (ISSUER_KEY, "1234567890123456", "", "154F349D8585CB7F6B0798E9839B10C1"),
    "sequence 00": (ISSUER_KEY, "1234567890123456", "00", "154F349D8585CB7F6B0798E9839B10C1"),
    "Mastercard": (MTIP_KEY, "5555315497560938", "00", "83DCCD105BCB1C617F857A20DA52BFF8"),
    "Mir": (ISSUER_KEY, "2200000000000004", "01", "61FEA197D0B9759BF268AEA10E4F7AA7"),
    "option B": (ISSUER_KEY, "12345678901234567", "01", "AD406D7F6D7570916D75E5DCAB8CF737"),
}


@pytest.mark.parametrize(("issuer_key", "pan", "sequence", "made"), CARD_KEYS.values(), ids=CARD_KEYS)
def test_published_card_keys(issuer_key: SecretBytes, pan: str, sequence: str, made: str) -> None:
    assert icc_master_key(issuer_key, pan, sequence) == key(made)


def test_published_session_keys() -> None:
    card_key = key("F84315C7B95BD3B0C74694922C3808B0")
    made = common_session_key(card_key, bytes.fromhex("1234567890123456"))
    assert made == key("3E736BF8D37664348A04E3ABE00DEFC1")
    assert session_key(key("154F349D8585CB7F6B0798E9839B10C1"), 28) == key("436B942AD637E08564B532B0EC97CB26")
    assert session_key(ISSUER_KEY, 0x001C) == key("E9FB384AF807B940FEDCEA613461B0C4")


def test_a_published_cryptogram_and_its_two_answers() -> None:
    card_key, key_of_payment = (
        key("F84315C7B95BD3B0C74694922C3808B0"),
        key("3E736BF8D37664348A04E3ABE00DEFC1"),
    )
    arqc = application_cryptogram(key_of_payment, bytes.fromhex("0123456789ABCDEF" * 2), Padding.MARKED)
    assert arqc.hex().upper() == "4B46013359B7A58B"
    assert arpc_method_1(card_key, arqc, bytes(2)).hex().upper() == "F8C9CECAABD55AD1"
    proprietary = bytes.fromhex("1234567890ABCDEF")
    assert arpc_method_2(key_of_payment, arqc, bytes(4), proprietary).hex().upper() == "4962B76C"


DATA = "000000004000 000000000000 0124 8000048000 0124 191105 01 52BF4585 1800 001C"


def test_cryptogram_version_10_as_published() -> None:
    card_key = key("154F349D8585CB7F6B0798E9839B10C1")
    arqc = application_cryptogram(card_key, bytes.fromhex(DATA + "03A06010"), Padding.ZEROS)
    assert arqc.hex().upper() == "29CCA15AE665FA2E"
    assert arpc_method_1(card_key, arqc, b"00").hex().upper() == "28993816AFAE4AEB"


def test_cryptogram_version_18_as_published() -> None:
    key_of_payment = key("436B942AD637E08564B532B0EC97CB26")
    arqc = application_cryptogram(key_of_payment, bytes.fromhex(DATA + "06011203A0B800"), Padding.MARKED)
    assert arqc.hex().upper() == "7A788EA6B8A3E733"
    assert arpc_method_2(key_of_payment, arqc, bytes(4)).hex().upper() == "9AF514C1"


@pytest.mark.parametrize("pan", ["12345678901", "12345678901234567890", "22001234567890x9", "", "٢" * 16])
def test_what_is_no_card_number_is_refused_without_a_digit(pan: str) -> None:
    with pytest.raises(CryptogramError, match="card number of 12 to 19 digits") as caught:
        icc_master_key(ISSUER_KEY, pan, "00")
    assert caught.value.__context__ is None
    assert not pan or pan not in str(caught.value)


@pytest.mark.parametrize("sequence", ["1", "001", "0x", "٢٢"])
def test_what_is_no_sequence_number(sequence: str) -> None:
    with pytest.raises(CryptogramError, match="two digits"):
        icc_master_key(ISSUER_KEY, "2200123456789019", sequence)


def test_keys_of_another_size_are_refused() -> None:
    for size in (0, 8, 15, 24):
        short = SecretBytes(bytes(size))
        for use in (
            lambda k: icc_master_key(k, "2200123456789019", "00"),
            lambda k: session_key(k, 1),
            lambda k: application_cryptogram(k, b"", Padding.MARKED),
            lambda k: arpc_method_1(k, bytes(8), b"00"),
            lambda k: arpc_method_2(k, bytes(8), bytes(4)),
        ):
            with pytest.raises(CryptogramError, match="16 bytes"):
                use(short)


def test_parts_of_another_size_are_refused() -> None:
    for arqc, code in ((bytes(7), b"00"), (bytes(9), b"00"), (bytes(8), b"0"), (bytes(8), b"000")):
        with pytest.raises(CryptogramError):
            arpc_method_1(ISSUER_KEY, arqc, code)
    for arqc, status, more in (
        (bytes(7), bytes(4), b""),
        (bytes(8), bytes(3), b""),
        (bytes(8), bytes(4), bytes(9)),
    ):
        with pytest.raises(CryptogramError):
            arpc_method_2(ISSUER_KEY, arqc, status, more)
    with pytest.raises(CryptogramError, match="8 bytes"):
        common_session_key(ISSUER_KEY, bytes(7))


@pytest.mark.parametrize("atc", [-1, 65536])
def test_a_counter_has_two_bytes(atc: int) -> None:
    with pytest.raises(ValueError, match="65535"):
        session_key(ISSUER_KEY, atc)


def test_importing_the_rooms_imports_no_cryptography() -> None:
    rooms = ("payment.chip", "payment.chip_issuer", "payment.field55", "security.cryptogram")
    code = (
        f"import sys, {', '.join('smartsale_emu.' + room for room in rooms)};"
        "print(sorted({'cryptography', 'pyemv', 'psec'} & set(sys.modules)))"
    )
    top = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
