"""TLS between pinpad and bank: contexts from PEM files, and TLS over bytes that somebody else carries.

TLS 1.2 and newer. The pinpad always checks the bank's certificate and the host's name in it, against its own
CA file if one is given, else against the system's; there is no switch that turns this off.
"""

import ssl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from smartsale_emu.errors import ChannelError, SetupError
from smartsale_emu.runtime.ports import BankAddress, plain_reason

_MOST_PLAIN = 16_384
"""The most bytes that one TLS record can hold."""


def client_tls(
    addresses: Iterable[BankAddress],
    *,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    option: str = "--host",
) -> ssl.SSLContext | None:
    """Return the TLS settings of a pinpad that calls these banks; None when all of them are plain TCP.

    The files are those of ``run``'s options ``--ca``, ``--client-cert`` and ``--client-key``, all PEM;
    without ``key`` the certificate's file must hold the private key too. ``option``: that of the addresses.

    Raises:
        SetupError: a file is missing, not PEM or does not fit, or is given and no address is ``tls:``.
    """
    files = {"--ca": ca, "--client-cert": cert, "--client-key": key}
    if not any(address.tls for address in addresses):
        _refuse(files, f"is of use only with {option} tls:HOST:PORT")
        return None
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.load_default_certs()
    else:
        _load_ca(context, "--ca", ca)
    _load_certificate(context, ("--client-cert", cert), ("--client-key", key))
    return context


def server_tls(
    address: BankAddress, *, cert: Path | None = None, key: Path | None = None, ca: Path | None = None
) -> ssl.SSLContext | None:
    """Return the TLS settings of a bank that listens there; None when that is plain TCP.

    The files are those of ``host``'s options ``--tls-cert``, ``--tls-key`` and ``--tls-ca``, all PEM; with
    ``ca`` every client must show a certificate that this CA signed.

    Raises:
        SetupError: a file is missing, not PEM or does not fit; ``tls:`` without one, or ``tcp:`` with one.
    """
    files = {"--tls-cert": cert, "--tls-key": key, "--tls-ca": ca}
    if not address.tls:
        _refuse(files, "is of use only with --listen tls:HOST:PORT")
        return None
    if cert is None:
        raise SetupError("--listen tls: needs --tls-cert FILE and --tls-key FILE")
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(context, ("--tls-cert", cert), ("--tls-key", key))
    if ca is not None:
        _load_ca(context, "--tls-ca", ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class TlsLayer:
    """The pinpad's end of one TLS connection whose bytes somebody else carries. No I/O.

    ``server_name`` is the host's name or IP address that the bank's certificate must hold.
    """

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.established = False
        self.broken = ""  # why nothing more can come: the bank closed, or what came was not TLS

    @property
    def accepted_late(self) -> bool:
        """True when the bank judges our certificate only after our handshake is done (TLS 1.3)."""
        return self._tls.version() == "TLSv1.3"

    def start(self) -> bytes:
        """Return the bytes to send first."""
        self._shake_hands()
        return self._outgoing.read()

    def feed(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Take bytes from the bank, in any slicing.

        Returns the plain bytes in them, what must be sent now, and whether the handshake is done.

        Raises:
            ChannelError: no agreement, or the channel ended. Plain bytes that came before it are returned
                first: then the next call raises. `close` returns what the bank should still be told.
        """
        self._incoming.write(data)
        plain = b""
        if not self.broken:
            try:
                self._shake_hands()
                plain = self._plain()
            except ssl.SSLError as error:
                self.broken = tls_reason(error)
        if self.broken and not plain:
            raise ChannelError(self.broken)
        return plain, self._outgoing.read(), self.established

    def seal(self, plain: bytes) -> bytes:
        """Return plain bytes as TLS records. Only once the handshake is done.

        Raises:
            ChannelError: it is not done, or the channel ended.
        """
        try:
            self._tls.write(plain)
        except ssl.SSLError as error:
            raise ChannelError(tls_reason(error)) from None
        return self._outgoing.read()

    def close(self) -> bytes:
        """Return the last bytes to send: close_notify, or after a failure the alert that says why."""
        with suppress(ssl.SSLError):  # the bank's own close_notify is not waited for
            self._tls.unwrap()
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        if self.established:
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.established = True

    def _plain(self) -> bytes:
        """Return what can be opened now; what stands before a broken record is kept."""
        plain = bytearray()
        while self.established:
            try:
                opened = self._tls.read(_MOST_PLAIN)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as error:
                self.broken = tls_reason(error)
                break
            if not opened:
                self.broken = "the bank closed the TLS connection"
                break
            plain += opened
        return bytes(plain)


def tls_reason(error: ssl.SSLError) -> str:
    """Return in a few words why TLS with the bank failed; one line, no bytes in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the bank's certificate is not accepted: {error.verify_message.rstrip('.')}"
    name = error.reason or ""
    for ending, text in _REASONS.items():
        if name.endswith(ending):
            return text
    return f"TLS failed: {name.lower().replace('_', ' ') or 'the connection ended'}"


_REASONS = {
    "ALERT_CERTIFICATE_REQUIRED": "the bank demands a client certificate",
    "ALERT_HANDSHAKE_FAILURE": "the bank refuses the handshake; it may demand a client certificate",
    "ALERT_UNKNOWN_CA": "the bank does not know the CA of our client certificate",
    "ALERT_BAD_CERTIFICATE": "the bank refuses our client certificate",
    "ALERT_CERTIFICATE_EXPIRED": "the bank says that our client certificate has expired",
    "ALERT_CERTIFICATE_REVOKED": "the bank says that our client certificate is revoked",
    "ALERT_CERTIFICATE_UNKNOWN": "the bank refuses our client certificate",
    "ALERT_UNSUPPORTED_CERTIFICATE": "the bank refuses our client certificate",
    "ALERT_PROTOCOL_VERSION": "no TLS version that both sides speak",
    "UNSUPPORTED_PROTOCOL": "no TLS version that both sides speak",
    "WRONG_VERSION_NUMBER": "the bank does not speak TLS there",
}
"""OpenSSL's name of what went wrong, by its ending (the beginnings differ from version to version)."""


def _context(protocol: int) -> ssl.SSLContext:
    """Return empty settings; a plain SSLContext, because the ready-made ones can log session keys."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _refuse(files: dict[str, Path | None], because: str) -> None:
    for option, file in files.items():
        if file is not None:
            raise SetupError(f"{option} {because}")


def _load_ca(context: ssl.SSLContext, option: str, file: Path) -> None:
    _demand(option, file, "CERTIFICATE-----")
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise SetupError(f"{option} {file}: a certificate in it cannot be read") from None


def _load_certificate(
    context: ssl.SSLContext, cert: tuple[str, Path | None], key: tuple[str, Path | None]
) -> None:
    """Load a certificate and its private key, each given as (option, file)."""
    (cert_option, cert_file), (key_option, key_file) = cert, key
    if cert_file is None:
        if key_file is not None:
            raise SetupError(f"{key_option} is of use only with {cert_option}")
        return
    _demand(cert_option, cert_file, "CERTIFICATE-----")
    if key_file is None and "PRIVATE KEY-----" not in _text(cert_option, cert_file):
        raise SetupError(f"{cert_option} {cert_file}: holds no private key, so {key_option} is needed")
    _demand_open_key(key_option if key_file else cert_option, key_file or cert_file)
    try:
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")  # never asks on the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"{key_option} {key_file or cert_file}: the key does not belong to the certificate"
            raise SetupError(text) from None
        files = f"{cert_option} {cert_file}" + (f", {key_option} {key_file}" if key_file else "")
        raise SetupError(f"{files}: certificate or key cannot be read") from None


def _demand_open_key(option: str, file: Path) -> None:
    _demand(option, file, "PRIVATE KEY-----")
    if "ENCRYPTED" in _text(option, file):
        raise SetupError(f"{option} {file}: the key is under a passphrase; give one without")


def _demand(option: str, file: Path, label: str) -> None:
    if label not in _text(option, file):
        what = "certificate" if label.startswith("CERT") else "private key"
        raise SetupError(f"{option} {file}: there is no PEM {what} in it")


def _text(option: str, file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise SetupError(f"{option} {file}: {plain_reason(error)}") from None
