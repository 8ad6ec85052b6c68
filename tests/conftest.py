"""Property tests draw the same examples every time.

``HYPOTHESIS_PROFILE=explore`` searches anew; ``long`` too, with 50,000 examples a test (test_host_fuzz.py).
"""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.register_profile("long", max_examples=50_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
