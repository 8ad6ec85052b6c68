"""Opening a serial device by pyserial, 8N1 without flow control, for pinpad and register alike."""

import os
from typing import TYPE_CHECKING

from smartsale_emu.errors import PortError
from smartsale_emu.runtime.ports import SerialAddress, plain_reason

if TYPE_CHECKING:
    import serial


def open_device(address: SerialAddress, *, timeout: float) -> "serial.Serial":
    """Open a serial device for us alone. ``timeout``: seconds that a read waits.

    Raises:
        PortError: it is missing, busy, not permitted, or no serial port.
    """
    import serial

    try:
        return serial.Serial(address.device, address.baud, timeout=timeout, exclusive=True)
    except serial.SerialException as error:
        raise PortError(f"{address.url}: {_reason(error)}") from None
    except (OSError, ValueError) as error:
        reason = plain_reason(error) if isinstance(error, OSError) else "no such speed or device"
        raise PortError(f"{address.url}: {reason}") from None


def _reason(error: OSError) -> str:
    """Return the reason of a SerialException, whose own text is a sentence with the errno inside."""
    if error.errno is not None:
        return plain_reason(OSError(error.errno, os.strerror(error.errno)))
    text = str(error)
    if "lock" in text or "PermissionError" in text:
        return "in use by another program"
    if "FileNotFoundError" in text:
        return "no such file or device"
    return "not a serial port"
