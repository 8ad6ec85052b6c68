"""The chip of a test card as a pure model: it answers GENERATE AC as a card does (EMV Book 3, 6.5.5 and 9).

It is made for tests of registers and hosts, not a certified EMV kernel: offline data authentication, offline
PIN and issuer scripts are left out. Counter and unpredictable number come in, so that the same inputs give
the same cryptograms.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from smartsale_emu.payment.action_analysis import NO_ACTION_CODES, ActionCodes
from smartsale_emu.payment.chip_data import (
    ApplicationData,
    CryptogramKind,
    Cvn,
    TerminalData,
    code_approves,
    cryptogram_key,
    make_cryptogram,
)
from smartsale_emu.payment.cvm import NOT_PERFORMED, CvmFacts, CvmList, CvmResult, choose_cvm
from smartsale_emu.payment.plain_table import PlainTable
from smartsale_emu.payment.verification import NO_STEPS, Tsi, Tvr
from smartsale_emu.security.cryptogram import (
    CRYPTOGRAM_SIZE,
    STATUS_SIZE,
    arpc_method_1,
    arpc_method_2,
    icc_master_key,
)
from smartsale_emu.security.masking import SecretBytes

_VERIFIES_CARDHOLDER, _ISSUER_APPROVES = 0x10, 0x80


@dataclass(frozen=True, slots=True)
class ChipProfile:
    """What the chip of a card says about itself.

    ``aid``: 5 to 16 bytes (84). ``aip``: 2 bytes (82). ``usage_control``: 9F07 as a number. ``sequence``:
    two digits (5F34). ``application_data``: 9F10, whose CVR the card fills in. ``country``: of the issuer,
    ISO numeric. ``online_only``: asked to approve by itself, the card asks its issuer.
    ``demands_issuer``: without the issuer's cryptogram nothing that went online is approved.
    """

    aid: bytes
    label: str
    aip: bytes
    cvm_list: CvmList
    usage_control: int
    sequence: str
    application_data: ApplicationData
    action_codes: ActionCodes = NO_ACTION_CODES
    country: str = "643"
    online_only: bool = True
    demands_issuer: bool = False

    @classmethod
    def parse(cls, rows: Mapping[str, object], *, where: str) -> "ChipProfile":
        """Read plain values: hex texts, digits and flags. ``where`` stands before the key in errors.

        Needed: ``aid``, ``label``, ``aip``, ``cvm_list``, ``usage_control``, ``sequence``, ``cvn`` (10 or
        18). Else: ``application_data`` (7 to 32 bytes), ``iac_denial``, ``iac_online`` (5 bytes),
        ``country``, ``online_only``, ``demands_issuer``.

        >>> rows = {
        ...     "aid": "A0000006581010", "label": "MIR", "aip": "3900", "usage_control": "FF00",
        ...     "cvm_list": "000000000000000042031E031F03", "sequence": "01", "cvn": 18,
        ... }
        >>> ChipProfile.parse(rows, where="mir.toml: chip").application_data.value.hex()
        '06011203000000'

        Raises:
            ProfileError: a key is missing, unknown, or has a bad value.
        """
        table = _Rows(rows, where=where, kind="a chip")
        profile = cls(
            aid=table.hex("aid", 5, 16),
            label=table.text("label"),
            aip=table.hex("aip", 2, 2),
            cvm_list=table.cvm_list("cvm_list"),
            usage_control=int.from_bytes(table.hex("usage_control", 2, 2), "big"),
            sequence=table.digits("sequence", 2),
            application_data=table.application_data("application_data", table.cvn("cvn")),
            action_codes=ActionCodes(
                denial=table.tvr("iac_denial", NO_ACTION_CODES.denial),
                online=table.tvr("iac_online", NO_ACTION_CODES.online),
            ),
            country=table.digits("country", 3, "643"),
            online_only=table.flag("online_only", default=True),
            demands_issuer=table.flag("demands_issuer", default=False),
        )
        table.refuse_unknown()
        return profile

    def choose_cvm(self, facts: CvmFacts) -> CvmResult:
        """Return how the cardholder is verified; a card without cardholder verification needs none."""
        if not self.aip[0] & _VERIFIES_CARDHOLDER:
            return NOT_PERFORMED
        return choose_cvm(self.cvm_list, facts)


@dataclass(frozen=True, slots=True)
class Cryptogram:
    """The card's answer to GENERATE AC.

    ``cid``: 9F27. ``ac``: 9F26, 8 bytes. ``iad``: 9F10. ``atc``: 9F36, 0 to 65535. ``tvr``: as it stood when
    the cryptogram was made. ``tsi``: what the card's answer adds to the TSI.
    """

    cid: CryptogramKind
    ac: bytes
    iad: bytes
    atc: int
    tvr: Tvr
    tsi: Tsi = NO_STEPS

    @property
    def issuer_authentication_failed(self) -> bool:
        """Whether the card found that its issuer did not write the answer."""
        return bool(self.tvr & Tvr.ISSUER_AUTHENTICATION_FAILED)


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip during one payment. ``atc``: its counter, already raised for this payment, 0 to 65535."""

    profile: ChipProfile
    pan: str = field(repr=False)
    icc_key: SecretBytes
    atc: int

    @classmethod
    def of(cls, profile: ChipProfile, pan: str, *, issuer_key: SecretBytes, atc: int) -> "Chip":
        """Return the chip with the key that its issuer derived for it.

        Raises:
            CryptogramError: there is no such card number, or the key has not 16 bytes.
        """
        return cls(profile, pan, icc_master_key(issuer_key, pan, profile.sequence), atc)

    def first_generate(self, data: TerminalData, want: CryptogramKind) -> Cryptogram:
        """Return the first cryptogram: what the terminal wants, or less.

        An online-only card asks its issuer where the terminal would approve.
        """
        asks = want is CryptogramKind.TC and self.profile.online_only
        kind = CryptogramKind.ARQC if asks else want
        return self._cryptogram(kind, self.profile.application_data.telling(kind), data, data.tvr)

    def second_generate(
        self, first: Cryptogram, *, code: str, issuer_authentication: bytes | None, data: TerminalData
    ) -> Cryptogram:
        """Return the second cryptogram, TC or AAC, once the bank has answered or could not be reached.

        ``code``: 8A, two characters. ``issuer_authentication``: tag 91 of the answer, None if it has none.
        The issuer's cryptogram is checked first, as by EXTERNAL AUTHENTICATE, so that a failure stands in the
        TVR that the second cryptogram is made over.

        Raises:
            ValueError: the first cryptogram was no request to the issuer, or the code has not two characters.
        """
        if first.cid is not CryptogramKind.ARQC or len(code) != 2:
            raise ValueError("a second cryptogram follows an ARQC and a code of two characters")
        given = issuer_authentication is not None
        failed = issuer_authentication is not None and not self._authentic(first, issuer_authentication)
        kind = CryptogramKind.AAC
        if not failed and code_approves(code) and self._issuer_approves(issuer_authentication, code):
            kind = CryptogramKind.TC
        told = self.profile.application_data.telling(first.cid, kind, failed=failed)
        tvr = data.tvr | Tvr.ISSUER_AUTHENTICATION_FAILED if failed else data.tvr
        made = self._cryptogram(kind, told, data, tvr)
        return replace(made, tsi=made.tsi | Tsi.ISSUER_AUTHENTICATION_DONE) if given else made

    def values(self, made: Cryptogram, data: TerminalData) -> dict[str, bytes]:
        """Return all that card and terminal say about a cryptogram, by tag."""
        return {
            **self._values(ApplicationData(made.iad), data, made.tvr),
            "9F26": made.ac,
            "9F27": bytes([made.cid]),
            "84": self.profile.aid,
            "5F34": bytes.fromhex(self.profile.sequence),
        }

    def _values(self, told: ApplicationData, data: TerminalData, tvr: Tvr) -> dict[str, bytes]:
        card = {"82": self.profile.aip, "9F36": self.atc.to_bytes(2, "big"), "9F10": told.value}
        return data.values(tvr) | card

    def _cryptogram(
        self, kind: CryptogramKind, told: ApplicationData, data: TerminalData, tvr: Tvr
    ) -> Cryptogram:
        ac = make_cryptogram(self.icc_key, self._values(told, data, tvr))
        return Cryptogram(kind, ac, told.value, self.atc, tvr, Tsi.CARD_RISK_DONE)

    def _authentic(self, first: Cryptogram, given: bytes) -> bool:
        """Tell whether the issuer wrote tag 91, over the first cryptogram."""
        cvn = self.profile.application_data.cvn
        key = cryptogram_key(cvn, self.icc_key, self.atc)
        if cvn is Cvn.CVN10:
            if len(given) != CRYPTOGRAM_SIZE + 2:
                return False
            expected = arpc_method_1(key, first.ac, given[CRYPTOGRAM_SIZE:])
            return hmac.compare_digest(expected, given[:CRYPTOGRAM_SIZE])
        status, more = given[STATUS_SIZE : 2 * STATUS_SIZE], given[2 * STATUS_SIZE :]
        if len(status) != STATUS_SIZE or len(more) > 8:
            return False
        return hmac.compare_digest(arpc_method_2(key, first.ac, status, more), given[:STATUS_SIZE])

    def _issuer_approves(self, given: bytes | None, code: str) -> bool:
        """Tell whether tag 91, already found authentic, says the same as an approving code."""
        if given is None:
            return not self.profile.demands_issuer or code.startswith("Y")
        if self.profile.application_data.cvn is Cvn.CVN10:
            return code_approves(given[CRYPTOGRAM_SIZE:].decode("ascii", "replace"))
        return bool(given[STATUS_SIZE + 1] & _ISSUER_APPROVES)


class _Rows(PlainTable):
    """Plain values of one chip; no text of it may be empty."""

    def text(self, key: str, default: str | None = None) -> str:
        value = super().text(key, default)
        if not value:
            raise self.error(key, "must be a text")
        return value

    def hex(self, key: str, least: int, most: int, default: str | None = None) -> bytes:
        text, size = self.text(key, default), f"{least}" if least == most else f"{least} to {most}"
        try:
            value = bytes.fromhex(text)
        except ValueError:
            raise self.error(key, "must be hexadecimal") from None
        if not least <= len(value) <= most:
            raise self.error(key, f"must be {size} bytes")
        return value

    def tvr(self, key: str, default: Tvr) -> Tvr:
        return Tvr.parse(self.hex(key, 5, 5, default.encode().hex()))

    def cvm_list(self, key: str) -> CvmList:
        try:
            return CvmList.parse(self.hex(key, 10, 252))
        except ValueError as error:
            raise self.error(key, str(error)) from None

    def cvn(self, key: str) -> Cvn:
        value = self.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value not in set(Cvn):
            raise self.error(key, "must be 10 or 18")
        return Cvn(value)

    def application_data(self, key: str, cvn: Cvn) -> ApplicationData:
        try:
            data = ApplicationData(self.hex(key, 7, 32, f"0601{cvn:02X}03000000"))
        except ValueError as error:
            raise self.error(key, str(error)) from None
        if data.cvn is not cvn:
            raise self.error(key, "its cryptogram version number is not that of cvn")
        return data
