"""DUKPT of triple DES (ANSI X9.24-1) and AES (X9.24-3): published vectors, the counter, a second opinion."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import KeySlotError, SmartSaleError
from smartsale_emu.security import dukpt_aes, dukpt_tdes
from smartsale_emu.security.dukpt_aes import DukptUsage
from smartsale_emu.security.dukpt_tdes import DukptExhaustedError, KsnError, next_counter
from smartsale_emu.security.library import psec
from smartsale_emu.security.mac import MacAlgorithm, make_mac
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import PinFormat, decrypt_pin_block, encrypt_pin_block


def secret(text: str) -> SecretBytes:
    return SecretBytes(bytes.fromhex(text))


def shown(key: SecretBytes) -> str:
    return key.reveal().hex().upper()


TDES_BDK = secret("0123456789ABCDEFFEDCBA9876543210")
TDES_INITIAL = secret("6AC292FAA1315B4D858AB3A3D7D5933A")
TDES_PAN = "4012345678909"
TEXT = b"4012345678909D987"
# counter end, transaction key, PIN block, MAC request, MAC response (ANSI X9.24-1:2009 A.4)
TDES_ROWS = [
    (
        "E00001",
        "042666B49184CFA368DE9628D0397BC9",
        "1B9C1845EB993A7A",
        "9CCC7817",
        "20364223",
    ),
    (
        "E00002",
        "C46551CEF9FD24B0AA9AD834130D3BC7",
        "10A01C8D02C69107",
        "F608A9BC",
        "D1FCA6BE",
    ),
    (
        "E00003",
        "0DF3D9422ACA56E547676D07AD6BADFA",
        "18DC07B94797B466",
        "20B59A4F",
        "BAD4CC9C",
    ),
    (
        "EFF800",
        "F9CDFEBF4F5B1D9EB3EC12454527E176",
        "33365F5CC6F23C35",
        "23E3CB62",
        "5776C376",
    ),
    (
        "F00000",
        "AA4D58DB653EC74A48C75F2F047DD2B5",
        "73EC88AD0AC5830E",
        "7DFA9315",
        "1444BEC3",
    ),
]


def tdes_ksn(end: str) -> bytes:
    return bytes.fromhex("FFFF9876543210" + end)


@pytest.mark.parametrize("end", ["E00000", "E00001", "FFFFFF"])
def test_the_published_initial_key_of_tdes(end: str) -> None:
    assert dukpt_tdes.initial_key(TDES_BDK, tdes_ksn(end)) == TDES_INITIAL


@pytest.mark.parametrize(("end", "key", "pin", "request_mac", "response_mac"), TDES_ROWS)
def test_published_transactions_of_tdes(
    end: str, key: str, pin: str, request_mac: str, response_mac: str
) -> None:
    transaction = dukpt_tdes.transaction_key(TDES_INITIAL, tdes_ksn(end))
    assert shown(transaction) == key
    assert shown(encrypt_pin_block(Secret("1234"), TDES_PAN, dukpt_tdes.pin_key(transaction))) == pin
    for mac_key, mac in (
        (dukpt_tdes.mac_request_key(transaction), request_mac),
        (dukpt_tdes.mac_response_key(transaction), response_mac),
    ):
        assert make_mac(TEXT, mac_key, MacAlgorithm.RETAIL, size=4).hex().upper() == mac


def test_a_pin_of_a_mir_card_under_a_key_of_tdes() -> None:
    key = dukpt_tdes.pin_key(dukpt_tdes.transaction_key(TDES_INITIAL, tdes_ksn("E00001")))
    assert shown(encrypt_pin_block(Secret("1234"), "2200123456789019", key)) == "0CAEA69269A2C6CE"


@pytest.mark.parametrize(("start", "count"), [("E00000", 3000), ("EFE000", 200), ("FFE800", 24)])
def test_consecutive_transactions_of_tdes_agree_with_another_implementation(start: str, count: int) -> None:
    other = pytest.importorskip("pydukpt", reason="pydukpt is not installed: no second opinion on DUKPT")
    ksn = tdes_ksn(start)
    for _ in range(count):
        following = dukpt_tdes.next_ksn(ksn)
        assert following == other.next_ksn(ksn)
        ksn = following
        transaction = dukpt_tdes.transaction_key(TDES_INITIAL, ksn)
        assert transaction.reveal() == other.derive_key(TDES_INITIAL.reveal(), ksn)
        for ours, theirs in (
            (dukpt_tdes.pin_key, other.pin_key),
            (dukpt_tdes.mac_request_key, other.mac_request_key),
            (dukpt_tdes.mac_response_key, other.mac_response_key),
        ):
            assert ours(transaction).reveal() == theirs(transaction.reveal())


AES_ID = "1234567890123456"
AES_BDK = secret("FEDCBA9876543210F1F1F1F1F1F1F1F1")
AES_INITIAL = secret("1273671EA26AC29AFA4D1084127652A1")
AES_BDK_256 = secret("FEDCBA9876543210F1F1F1F1F1F1F1F1" * 2)
AES_INITIAL_256 = secret("CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F")
AES_PAN = "4111111111111111"
AES_FILL = bytes.fromhex("2F69ADDE2E9E7ACE")
# counter, transaction key, keys for PIN, MAC generation, data encryption, PIN block (X9.24-3:2017 supplement)
AES_ROWS = [
    (
        1,
        "4F21B565BAD9835E112B6465635EAE44",
        "AF8CB133A78F8DC2D1359F18527593FB",
        "A2DC23DE6FDE0824A2BC321E08E4B8B7",
        "A35C412EFD41FDB98B69797C02DCD08F",
        "A912150391AB65A67E52883D81CE2D15",
    ),
    (
        2,
        "2F34D68DE10F68D38091A73B9E7C437C",
        "D30BDC73EC9714B000BEC66BDB7B6D09",
        "484C3B06E8562704528CD5B46FB12FB6",
        "D639514AA33AC43AD9229E433D6D4E5B",
        "52A00503BD34BA1383F6A7EE9FE2547F",
    ),
    (
        3,
        "031504E530365CF81264238540518318",
        "7D69F01F3B45449F62C7816ECE723268",
        "A5DF7D9D800CA769766F0C77CA4E6E6C",
        "EF17F6AB45B4820C93A3DCB21BC491AD",
        "A5A27E82B43A9A866A93D7ABE89CEF93",
    ),
    (
        8,
        "718EE6CF0B27E53D5F7AF99C4D8146A2",
        "4D9DF3FBEE3448FC3E676D04320A90F5",
        "6FD572E5D59E618875F193484F9178FB",
        "650F34204ABD4E57764D61AC3D266FB1",
        "8308BB857C17F390369F761F8EB358FA",
    ),
]
FAR = [
    ("0001FFFE", "E21E8C8D347F8561A2BE752DAA85A111"),
    ("00020000", "F7AE9025468A25D37B7249CFFED224C8"),
    ("FFFF0000", "F6BA59389BD14A9855BE9727E7C52E3C"),
]
FAR_256 = [
    ("00000001", "54AC2B32B145EA4A554CB8BC44B17467063A799856B1CCC2A138D36E8DBF78B3"),
    ("00000008", "20A796D5077D51B8E7613893A4F095B134E02917DC84BD391F3661D0873FF308"),
    ("0001FFFE", "A289508CBF1228452CD86AB77B15CB35577AC828C18BB66681E5A16D6C9CCED3"),
    ("00020000", "D62DDA94A47D7DA5D763443B4ECB15EA8DD62E0E4F915958BA459591F8312E37"),
    ("FFFF0000", "6D6DB7AAAE8B3EA90E57A39E4BBA71E173B21B446B30A78D64BFC6A8806C55EE"),
]


def aes_ksn(counter: str) -> bytes:
    return bytes.fromhex(AES_ID + counter)


@pytest.mark.parametrize(("bdk", "initial"), [(AES_BDK, AES_INITIAL), (AES_BDK_256, AES_INITIAL_256)])
def test_published_initial_keys_of_aes(bdk: SecretBytes, initial: SecretBytes) -> None:
    assert dukpt_aes.initial_key(bdk, bytes.fromhex(AES_ID)) == initial


@pytest.mark.parametrize(("counter", "key", "pin_key", "mac_key", "data_key", "block"), AES_ROWS)
def test_published_transactions_of_aes(
    counter: int, key: str, pin_key: str, mac_key: str, data_key: str, block: str
) -> None:
    ksn = aes_ksn(f"{counter:08X}")
    assert shown(dukpt_aes.transaction_key(AES_INITIAL, ksn)) == key
    assert shown(dukpt_aes.working_key(AES_INITIAL, ksn, DukptUsage.MAC_GENERATION)) == mac_key
    assert shown(dukpt_aes.working_key(AES_INITIAL, ksn, DukptUsage.DATA_ENCRYPTION)) == data_key
    working = dukpt_aes.working_key(AES_INITIAL, ksn, DukptUsage.PIN)
    assert shown(working) == pin_key
    assert decrypt_pin_block(secret(block), AES_PAN, key=working, form=PinFormat.ISO_4) == Secret("1234")


def test_a_published_pin_block_of_aes_from_its_fill() -> None:
    key = dukpt_aes.working_key(AES_INITIAL, aes_ksn("00000001"), DukptUsage.PIN)
    block = encrypt_pin_block(
        Secret("1234"), AES_PAN, key, form=PinFormat.ISO_4, entropy=lambda size: AES_FILL[:size]
    )
    assert shown(block) == AES_ROWS[0][-1]


@pytest.mark.parametrize(
    ("initial", "counter", "key"),
    [(AES_INITIAL, *row) for row in FAR] + [(AES_INITIAL_256, *row) for row in FAR_256],
)
def test_published_far_counters_of_aes(initial: SecretBytes, counter: str, key: str) -> None:
    assert shown(dukpt_aes.transaction_key(initial, aes_ksn(counter))) == key


# written by hand: version, block, usage, algorithm, bits, right half of the id, counter
USAGES = {
    DukptUsage.PIN: "1000",
    DukptUsage.MAC_GENERATION: "2000",
    DukptUsage.MAC_VERIFICATION: "2001",
    DukptUsage.MAC_BOTH: "2002",
    DukptUsage.DATA_ENCRYPTION: "3000",
    DukptUsage.DATA_DECRYPTION: "3001",
    DukptUsage.DATA_BOTH: "3002",
}
SIZES = {16: "00020080", 24: "000300C0", 32: "00040100"}


@pytest.mark.parametrize("usage", DukptUsage)
@pytest.mark.parametrize("size", SIZES)
def test_a_working_key_is_made_of_blocks_written_by_hand(usage: DukptUsage, size: int) -> None:
    encipher = psec("aes").encrypt_aes_ecb
    initial = bytes(range(1, size + 1))
    keys = [initial]
    for step in (("8000", "00000004"), ("8000", "00000006"), (USAGES[usage], "00000006")):
        made = b"".join(
            encipher(keys[-1], bytes.fromhex(f"01{block}{step[0]}{SIZES[size]}90123456{step[1]}"))
            for block in ("01", "02")
        )
        keys.append(made[:size])
    ksn = aes_ksn("00000006")
    assert dukpt_aes.transaction_key(SecretBytes(initial), ksn).reveal() == keys[2]
    assert dukpt_aes.working_key(SecretBytes(initial), ksn, usage).reveal() == keys[3]


def test_an_initial_key_of_aes_192_is_made_of_blocks_written_by_hand() -> None:
    bdk = bytes(range(24))
    blocks = bytes.fromhex(f"01018001000300C0{AES_ID}" + f"01028001000300C0{AES_ID}")
    assert (
        dukpt_aes.initial_key(SecretBytes(bdk), bytes.fromhex(AES_ID)).reveal()
        == psec("aes").encrypt_aes_ecb(bdk, blocks)[:24]
    )


def test_the_counter_leaves_out_what_has_too_many_ones() -> None:
    for bits, ones in ((6, 3), (8, 1), (9, 8)):
        kept = [counter for counter in range(1 << bits) if counter.bit_count() <= ones]
        for counter, following in pairwise(kept):
            assert next_counter(counter, bits=bits, ones=ones) == following
        with pytest.raises(DukptExhaustedError, match="used up"):
            next_counter(kept[-1], bits=bits, ones=ones)


@pytest.mark.parametrize(
    ("ksn", "following"),
    [("E00000", "E00001"), ("EFF800", "EFF801"), ("EFFC00", "F00000"), ("FFF400", "FFF800")],
)
def test_the_next_ksn_of_tdes(ksn: str, following: str) -> None:
    assert dukpt_tdes.next_ksn(tdes_ksn(ksn)) == tdes_ksn(following)


@pytest.mark.parametrize(
    ("ksn", "following"),
    [("00000000", "00000001"), ("0001FFFE", "00020000"), ("FFFE2000", "FFFE4000"), ("FFFE8000", "FFFF0000")],
)
def test_the_next_ksn_of_aes(ksn: str, following: str) -> None:
    assert dukpt_aes.next_ksn(aes_ksn(ksn)) == aes_ksn(following)


def test_the_last_ksn_has_no_next_one() -> None:
    for scheme, last in ((dukpt_tdes, tdes_ksn("FFF800")), (dukpt_aes, aes_ksn("FFFF0000"))):
        with pytest.raises(DukptExhaustedError, match="used up") as caught:
            scheme.next_ksn(last)
        assert isinstance(caught.value, KeySlotError)
        assert isinstance(caught.value, SmartSaleError)


WRONG = [
    (dukpt_tdes, TDES_INITIAL, tdes_ksn("E00000"), "counter that no transaction"),
    (dukpt_tdes, TDES_INITIAL, tdes_ksn("E007FF"), "counter that no transaction"),
    (dukpt_tdes, TDES_INITIAL, tdes_ksn("E001")[:9], "is 10 bytes"),
    (dukpt_tdes, TDES_INITIAL, aes_ksn("00000001"), "is 10 bytes"),
    (dukpt_aes, AES_INITIAL, aes_ksn("00000000"), "counter that no transaction"),
    (dukpt_aes, AES_INITIAL, aes_ksn("0001FFFF"), "counter that no transaction"),
    (dukpt_aes, AES_INITIAL, tdes_ksn("E00001"), "is 12 bytes"),
    (dukpt_aes, AES_INITIAL, b"", "is 12 bytes"),
]


@pytest.mark.parametrize(("scheme", "initial", "ksn", "says"), WRONG)
def test_a_ksn_that_no_pinpad_sends_is_refused(
    scheme: object, initial: SecretBytes, ksn: bytes, says: str
) -> None:
    if scheme is dukpt_aes:
        with pytest.raises(KsnError, match=says):
            dukpt_aes.working_key(initial, ksn, DukptUsage.PIN)
        with pytest.raises(KsnError, match=says):
            dukpt_aes.transaction_key(initial, ksn)
    else:
        with pytest.raises(KsnError, match=says):
            dukpt_tdes.transaction_key(initial, ksn)


def test_no_counter_follows_one_that_is_none() -> None:
    for scheme, ksn in ((dukpt_tdes, tdes_ksn("E007FF")), (dukpt_aes, aes_ksn("0001FFFF"))):
        with pytest.raises(KsnError, match="counter that no transaction"):
            scheme.next_ksn(ksn)
        with pytest.raises(KsnError, match="bytes"):
            scheme.next_ksn(ksn[1:])
    with pytest.raises(KsnError, match="8 bytes"):
        dukpt_aes.initial_key(AES_BDK, aes_ksn("00000001"))
    with pytest.raises(KsnError, match="10 bytes"):
        dukpt_tdes.initial_key(TDES_BDK, bytes(9))


@pytest.mark.parametrize("length", [0, 8, 15, 17, 24, 33])
def test_a_key_of_another_length_is_refused_unseen(length: int) -> None:
    key = SecretBytes(bytes(range(0xC0, 0xC0 + length)))
    ksn = tdes_ksn("E00001")
    refused = [
        lambda: dukpt_tdes.initial_key(key, ksn),
        lambda: dukpt_tdes.transaction_key(key, ksn),
        lambda: dukpt_tdes.pin_key(key),
    ]
    if length != 24:
        refused.append(lambda: dukpt_aes.initial_key(key, bytes(8)))
        refused.append(lambda: dukpt_aes.working_key(key, aes_ksn("00000001"), DukptUsage.PIN))
    for call in refused:
        with pytest.raises(ValueError, match=r"DUKPT key of .* is 16") as caught:
            call()
        assert caught.value.__context__ is None
        assert "c0" not in str(caught.value).lower()


@given(st.binary(min_size=8, max_size=8), st.integers(1, (1 << 32) - 1))
def test_any_counter_of_aes_is_derived_or_refused(key_id: bytes, counter: int) -> None:
    ksn = key_id + counter.to_bytes(4)
    if counter.bit_count() > 16:
        with pytest.raises(KsnError):
            dukpt_aes.transaction_key(AES_INITIAL, ksn)
        return
    keys = [dukpt_aes.working_key(AES_INITIAL, ksn, usage) for usage in DukptUsage]
    keys.append(dukpt_aes.transaction_key(AES_INITIAL, ksn))
    assert len(set(keys)) == len(keys)
