"""Pinpads under the control of a test or a program: in its process, over HTTP, on a page."""

from smartsale_emu.control.desk import UnexpectedError
from smartsale_emu.control.exchanges import Exchange
from smartsale_emu.control.pinpad import Pinpad
from smartsale_emu.control.virtual_pinpad import VirtualPinpad

__all__ = ["Exchange", "Pinpad", "UnexpectedError", "VirtualPinpad"]
