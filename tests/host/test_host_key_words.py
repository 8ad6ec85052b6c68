"""Session keys as text of a data element: there and back, and whatever else may stand there."""

import re
from contextlib import suppress
from dataclasses import replace

import bank_kit as kit
import profile_kit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.errors import DialectError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.key_words import keys_of, keys_text
from smartsale_emu.payment.authorization import AuthorizationAnswer, Step, Transaction
from smartsale_emu.security.key_slot import KeyUsage
from smartsale_emu.security.protection import SessionKey

PIN_KEY = SessionKey(KeyUsage.PIN, "541B3C01A778416611C2E290748628CC", "76CDB5")
MAC_KEY = SessionKey(KeyUsage.MAC, "0123456789ABCDEF", "D5D44F")
HEX = st.binary(min_size=1, max_size=48).map(lambda data: data.hex().upper())
KEYS = st.lists(
    st.builds(
        SessionKey,
        usage=st.sampled_from([KeyUsage.PIN, KeyUsage.MAC]),
        cryptogram=HEX,
        kcv=st.binary(min_size=3, max_size=3).map(lambda data: data.hex().upper()),
    ),
    max_size=3,
)


def test_letters_length_cryptogram_and_check_value() -> None:
    text = "TPK032541B3C01A778416611C2E290748628CC76CDB5" + "TAK0160123456789ABCDEFD5D44F"
    assert keys_text([PIN_KEY, MAC_KEY]) == text
    assert keys_of({48: text}, 48) == (PIN_KEY, MAC_KEY)


@given(keys=KEYS, number=st.integers(2, 127))
def test_any_keys_come_back(keys: list[SessionKey], number: int) -> None:
    assert keys_of({number: keys_text(keys)}, number) == tuple(keys)


def test_no_element_is_no_keys() -> None:
    assert keys_of({}, 48) == ()
    assert keys_of({48: ""}, 48) == ()
    assert keys_of({63: keys_text([PIN_KEY])}, 48) == ()


@pytest.mark.parametrize(
    "text",
    [
        "X",
        "TPK",
        "TPK032",
        "TPK000D5D44F",  # no cryptogram, and half a check value for one
        "TPK0160123456789ABCDEFD5D44",  # the check value is cut off
        "TPK0170123456789ABCDEF0D5D44F",  # half a byte
        "TPK0160123456789abcdefD5D44F",
        "TPK0160123456789ABCDEGD5D44F",
        "TMK0160123456789ABCDEFD5D44F",  # not a key that messages change
        "tpk0160123456789ABCDEFD5D44F",
        " TPK0160123456789ABCDEFD5D44F",
        "TPK0160123456789ABCDEFD5D44F ",
        "TPK0160123456789ABCDEFD5D44FTAK",
        "TPK-160123456789ABCDEFD5D44F",
        "TPK٠١٦0123456789ABCDEFD5D44F",  # digits, but of another script
    ],
)
def test_anything_else_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(DialectError) as caught:
        keys_of({48: text}, 48)
    assert str(caught.value) == "DE48: holds no session keys"
    assert caught.value.__cause__ is None


@given(text=st.text(max_size=60) | st.from_regex(r"(TPK|TAK)\d{3}[0-9A-F]{0,40}", fullmatch=True))
def test_any_text_is_keys_or_is_refused(text: str) -> None:
    keys: tuple[SessionKey, ...] | None = None
    with suppress(DialectError):
        keys = keys_of({48: text}, 48)
    if keys is not None:
        assert keys_text(keys) == text
        assert all(re.fullmatch("[0-9A-F]{6}", key.kcv) for key in keys)


@pytest.mark.parametrize("name", ["generic-ascii", "nac-bcd", "tbank-style"])
def test_keys_travel_in_the_answer_to_a_key_change_and_nowhere_else(name: str) -> None:
    dialect = Dialect(profile_kit.load(name))
    said = AuthorizationAnswer(Step.NETWORK, 1, "00", keys=(PIN_KEY, MAC_KEY))
    request = replace(kit.echo(), transaction=Transaction.KEY_CHANGE)
    read = dialect.decode_answer(dialect.encode_answer(request, said), kit.NOW.date())
    assert read.keys == (PIN_KEY, MAC_KEY)
    sold = replace(said, step=Step.FINANCIAL)
    read = dialect.decode_answer(
        dialect.encode_answer(kit.sale(1, 1), sold, lambda _: bytes(8)), kit.NOW.date()
    )
    assert read.keys == ()


def test_garbage_where_the_keys_belong_makes_the_answer_one_of_no_use() -> None:
    dialect = Dialect(kit.PROFILE)
    said = AuthorizationAnswer(Step.NETWORK, 1, "00", keys=(PIN_KEY,))
    request = replace(kit.echo(), transaction=Transaction.KEY_CHANGE)
    wire = dialect.encode_answer(request, said)
    with pytest.raises(DialectError, match=r"^DE48: holds no session keys$"):
        dialect.decode_answer(wire.replace(b"TPK", b"TMK"), kit.NOW.date())


def test_a_profile_may_put_them_elsewhere() -> None:
    dialect = Dialect(
        profile_kit.changed("generic-ascii", places__keys=63, network__answer_fields=[11, 39, 63])
    )
    said = AuthorizationAnswer(Step.NETWORK, 1, "00", keys=(PIN_KEY,))
    request = replace(kit.echo(), transaction=Transaction.KEY_CHANGE)
    read = dialect.decode_answer(dialect.encode_answer(request, said), kit.NOW.date())
    assert read.keys == (PIN_KEY,)
