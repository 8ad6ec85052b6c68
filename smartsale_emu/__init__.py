"""smartsale-emu: a bank pinpad in software (Smart Sale terminal application, SA protocol, mock bank)."""

__version__ = "0.1.0"
