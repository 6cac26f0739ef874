"""How hard the property-based tests look: 25 examples while one works (`make unit`), 100 before one is done (`make test`).

CI looks at the same ones each time, so that it says something about the change and not about the day.
"""

import os

from hypothesis import settings

same = bool(os.environ.get("CI"))
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=same)
settings.register_profile("thorough", max_examples=100, deadline=None, derandomize=same)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
