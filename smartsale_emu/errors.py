"""The one exception tree.

SmartSaleError
 ├── SetupError               what the user gave cannot work; the text is one clear line (exit status 2)
 │    ├── PortError           a port is wrong, busy, or has gone
 │    ├── ProfileError        a profile, receipt layout, card or story is wrong; names file and key
 │    │    └── ScenarioError  a scenario is wrong; names file, line and key
 │    ├── TraceError          a trace cannot be read or told; the text names file and line
 │    ├── KeySlotError        a key slot is missing, or its check value does not match
 │    │    └── DukptExhaustedError  (security.dukpt_tdes) an initial key has no serial number left
 │    └── StateError          a state directory is in use, or its content cannot be read
 └── WireError                bytes of a peer that mean nothing; always caught and turned into data
      ├── TlvError            TLV records do not fill their frame
      ├── DialectError        an ISO 8583 message cannot be read or built
      ├── ChannelError        the secure channel to the bank cannot be made or has broken
      ├── BerTlvError         (payment.ber_tlv) EMV data that is no BER-TLV
      ├── PinBlockError       (security.pin_block) a PIN block that cannot be built or read
      ├── KsnError            (security.dukpt_tdes) a key serial number that is none
      ├── CryptogramError     (security.cryptogram) a cryptogram that cannot be made or checked
      └── Tr31Error           (security.tr31) a key block that cannot be made or read

No text of an exception holds a PAN, a track, a PIN, a PIN block or a key.
"""


class SmartSaleError(Exception):
    """Root of everything this package raises on purpose."""


class SetupError(SmartSaleError):
    """Something that the user gave cannot work: one clear line, exit status 2."""


class PortError(SetupError):
    """A port is wrong, busy, or has disappeared."""


class ProfileError(SetupError):
    """A profile, receipt layout, card file or story is wrong; the text names the file and the key."""


class ScenarioError(ProfileError):
    """A scenario is wrong; the text names the file, the line and the key, and what would be right."""


class TraceError(SetupError):
    """A trace cannot be read, or tells nothing of what was asked; the text names the file and the line."""


class KeySlotError(SetupError):
    """A key slot is missing, or its key check value does not match."""


class StateError(SetupError):
    """A state directory is in use or cannot be read."""


class WireError(SmartSaleError):
    """Bytes of a peer that mean nothing."""


class TlvError(WireError):
    """TLV records do not fill the data they stand in."""


class DialectError(WireError):
    """An ISO 8583 message cannot be read or built. Never carries field values."""


class ChannelError(WireError):
    """The secure channel to the bank cannot be made, or it has broken: one clear line, no bytes in it."""
