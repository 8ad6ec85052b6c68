"""The rooms with clocks, sockets, threads and files: ports, driver, bank connection, memory on disk."""

DEFAULT_TERMINAL_PROFILE = "unipos-2023"
DEFAULT_BANK_PROFILE = "generic-ascii"
DEFAULT_RULEBOOK = "default"
DEFAULT_RECEIPT_LAYOUT = "standard"
