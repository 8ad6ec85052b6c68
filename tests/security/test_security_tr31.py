"""TR-31 blocks: published ones are read whole; ours are read by an implementation that did not write them."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.security.key_slot import Algorithm, KeySlot, KeyUsage, check_value
from smartsale_emu.security.library import psec
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.tr31 import Tr31Error, unwrap, usage_letters, wrap

DOUBLE, TRIPLE = "DD7515F2BFC17F85CE48F3CA25CB21F6", "89E88CF7931444F334BD7547FC3F380C" + "1D22BF32387C600A"
AES_256 = "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6"
KSN = "00604B120F9292800000"


def slot(algorithm: Algorithm, key: str, usage: KeyUsage = KeyUsage.WRAPPING, ksn: str = "") -> KeySlot:
    value = SecretBytes(bytes.fromhex(key))
    kcv = check_value(algorithm, value)
    return KeySlot(f"some-{usage}", usage, algorithm, value, kcv, ksn=bytes.fromhex(ksn))


def counting(size: int) -> bytes:
    return bytes(number % 256 for number in range(1, size + 1))


PUBLISHED = {
    "A": (
        Algorithm.TDES,
        "89E88CF7931444F334BD7547FC3F380C",
        "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701",
        "F039121BEC83D26B169BDCD5B22AAF8F",
        "P0",
        "",
    ),
    "B": (
        Algorithm.TDES,
        DOUBLE,
        "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
        "3F419E1CB7079442AA37474C2EFBF8B8",
        "P0",
        "",
    ),
    "B with a KSN": (
        Algorithm.TDES,
        "1D22BF32387C600AD97F9B97A51311AC",
        (
            "B0104B0TX12S0100KS1800604B120F9292800000"
            "BB68BE8680A400D9191AD4ECE45B6E6C0D21C4738A52190E248719E24B433627"
        ),
        "E8BC63E5479455E26577F715D587FE68",
        "B0",
        KSN,
    ),
    "C": (
        Algorithm.TDES,
        "B8ED59E0A279A295E9F5ED7944FD06B9",
        "C0096B0TX12S0100KS1800604B120F9292800000BFB9B689CB567E66FC3FEE5AD5F52161FC6545B9D60989015D02155C",
        "EDB380DD340BC2620247D445F5B8D678",
        "B0",
        KSN,
    ),
    "D": (
        Algorithm.AES,
        AES_256,
        (
            "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FC"
            "EA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34"
        ),
        "3F419E1CB7079442AA37474C2EFBF8B8",
        "P0",
        "",
    ),
}


@pytest.mark.parametrize(
    ("under", "kbpk", "block", "key", "usage", "ksn"), PUBLISHED.values(), ids=PUBLISHED.keys()
)
def test_published_blocks(under: Algorithm, kbpk: str, block: str, key: str, usage: str, ksn: str) -> None:
    found = unwrap(block, slot(under, kbpk))
    assert found.value.reveal().hex().upper() == key
    assert (found.usage, found.ksn.hex().upper()) == (usage, ksn)
    assert found.algorithm is (Algorithm.AES if block[7] == "A" else Algorithm.TDES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_block_with_one_sign_changed_is_refused_at_every_place(name: str) -> None:
    under, kbpk, block, *_ = PUBLISHED[name]
    wrapping = slot(under, kbpk)
    for place in range(len(block)):
        other = "1" if block[place] == "0" else "0"
        with pytest.raises(Tr31Error) as caught:
            unwrap(block[:place] + other + block[place + 1 :], wrapping)
        assert caught.value.__context__ is None
        assert block[16:32] not in str(caught.value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_block_cut_short_or_with_more_after_it_is_refused(name: str) -> None:
    under, kbpk, block, *_ = PUBLISHED[name]
    wrapping = slot(under, kbpk)
    for wrong in [block[:size] for size in range(len(block))] + [block + "0", block + "00" * 8]:
        with pytest.raises(Tr31Error):
            unwrap(wrong, wrapping)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_block_under_another_key_is_refused(name: str) -> None:
    under, kbpk, block, *_ = PUBLISHED[name]
    with pytest.raises(Tr31Error, match="not under this wrapping key"):
        unwrap(block, slot(under, "11" * (len(kbpk) // 2)))


def test_a_block_says_which_kind_of_key_opens_it() -> None:
    with pytest.raises(Tr31Error, match="version D, as go under a key of AES"):
        unwrap(PUBLISHED["B"][2], slot(Algorithm.AES, DOUBLE))
    with pytest.raises(Tr31Error, match="version A or B or C, as go under a key of TDES"):
        unwrap(PUBLISHED["D"][2], slot(Algorithm.TDES, DOUBLE))


def test_a_block_of_another_kind_of_key_is_refused() -> None:
    wrapping = slot(Algorithm.TDES, DOUBLE)
    block = psec("tr31").wrap(wrapping.value.reveal(), "B0000M7HC00E0000", bytes(16))
    with pytest.raises(Tr31Error, match="not a TR-31 block of a TDES or AES key") as caught:
        unwrap(block, wrapping)
    assert caught.value.__context__ is None


@given(
    st.text()
    | st.text().map(lambda text: "B" + text)
    | st.from_regex(r"[A-D]00[0-9]{2}[A-Z][0-9][ADHT][A-Z][0-9]{2}[EN]0[0-3]00[0-9A-F]*")
)
def test_any_text_is_a_key_or_a_clean_error(text: str) -> None:
    for wrapping in (slot(Algorithm.TDES, DOUBLE), slot(Algorithm.AES, AES_256)):
        with pytest.raises(Tr31Error):
            unwrap(text, wrapping)


def wrappings() -> Iterator[KeySlot]:
    yield from (slot(Algorithm.TDES, kbpk) for kbpk in (DOUBLE, TRIPLE))
    yield from (slot(Algorithm.AES, AES_256[:digits]) for digits in (32, 48, 64))


def wrapped() -> Iterator[tuple[KeySlot, KeySlot]]:
    for wrapping in wrappings():
        for digits in (16, 32, 48):
            yield wrapping, slot(Algorithm.TDES, AES_256[:digits], KeyUsage.PIN)
        if wrapping.algorithm is Algorithm.AES:
            for digits in (32, 48, 64):
                yield wrapping, slot(Algorithm.AES, AES_256[::-1][:digits], KeyUsage.PIN)


@pytest.mark.parametrize(
    ("wrapping", "key"),
    [
        pytest.param(
            wrapping, key, id=f"{key.algorithm}-{key.bits} under {wrapping.algorithm}-{wrapping.bits}"
        )
        for wrapping, key in wrapped()
    ],
)
def test_psec_reads_what_we_write(wrapping: KeySlot, key: KeySlot) -> None:
    block = wrap(key, wrapping, counting)
    header, value = psec("tr31").unwrap(wrapping.value.reveal(), block)
    assert value == key.value.reveal()
    assert header.version_id == ("B" if wrapping.algorithm is Algorithm.TDES else "D")
    assert header.algorithm == ("A" if key.algorithm is Algorithm.AES else "D" if key.bits == 64 else "T")
    assert (header.key_usage, header.mode_of_use, header.exportability) == ("P0", "B", "E")
    assert unwrap(block, wrapping).value == key.value


@pytest.mark.parametrize("wrapping", list(wrappings()), ids=lambda key: f"{key.algorithm}-{key.bits}")
def test_a_block_does_not_tell_the_length_of_its_key(wrapping: KeySlot) -> None:
    blocks = [wrap(slot(Algorithm.TDES, AES_256[:digits]), wrapping, counting) for digits in (16, 32, 48)]
    assert len({len(block) for block in blocks}) == 1


def test_the_padding_is_made_of_the_entropy_handed_in() -> None:
    wrapping, key = slot(Algorithm.TDES, DOUBLE), slot(Algorithm.TDES, "11" * 16, KeyUsage.PIN)
    assert wrap(key, wrapping, counting) == wrap(key, wrapping, counting)
    assert wrap(key, wrapping, counting) != wrap(key, wrapping, bytes)


@pytest.mark.parametrize(
    ("algorithm", "ksn", "told"),
    [(Algorithm.TDES, KSN, KSN), (Algorithm.AES, "123456789012345600000000", "1234567890123456")],
)
def test_an_initial_key_takes_its_serial_number_along(algorithm: Algorithm, ksn: str, told: str) -> None:
    wrapping, key = slot(Algorithm.AES, AES_256), slot(algorithm, "11" * 16, KeyUsage.INITIAL, ksn)
    found = unwrap(wrap(key, wrapping, counting), wrapping)
    assert (found.value, found.usage, found.ksn.hex().upper()) == (key.value, "B1", told)


LETTERS = {
    KeyUsage.MASTER: "K0B",
    KeyUsage.PIN: "P0B",
    KeyUsage.MAC: "M3C",
    KeyUsage.DATA: "D0B",
    KeyUsage.STORAGE: "D0B",
    KeyUsage.DERIVATION: "B0X",
    KeyUsage.INITIAL: "B1X",
    KeyUsage.ISSUER: "E0X",
    KeyUsage.WRAPPING: "K1B",
}


@pytest.mark.parametrize("usage", KeyUsage)
def test_usages_and_their_letters(usage: KeyUsage) -> None:
    wrapping = slot(Algorithm.TDES, DOUBLE)
    block = wrap(slot(Algorithm.TDES, "11" * 16, usage), wrapping, counting)
    assert block[5:7] + block[8] == LETTERS[usage]
    found = unwrap(block, wrapping)
    fitting = {other for other in KeyUsage if found.fits(other)}
    assert fitting == {other for other in KeyUsage if LETTERS[other][:2] == LETTERS[usage][:2]}


def test_a_mac_key_of_aes_is_a_cmac_key() -> None:
    assert usage_letters(KeyUsage.MAC, Algorithm.AES) == "M6"


def test_a_weaker_wrapping_key_is_refused() -> None:
    with pytest.raises(Tr31Error, match="an AES key goes under an AES wrapping key only"):
        wrap(slot(Algorithm.AES, "11" * 16), slot(Algorithm.TDES, TRIPLE), counting)
    with pytest.raises(Tr31Error, match="a wrapping key has 128 bits or more"):
        wrap(slot(Algorithm.TDES, "11" * 16), slot(Algorithm.TDES, "11" * 8), counting)


def test_what_a_block_held_is_not_shown() -> None:
    under, kbpk, block, key, *_ = PUBLISHED["B"]
    assert key not in repr(unwrap(block, slot(under, kbpk))).upper()
