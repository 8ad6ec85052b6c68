"""``python -m smartsale_emu`` is ``smartsale-emu``."""

import sys

from smartsale_emu.cli import main

if __name__ == "__main__":
    sys.exit(main())
