"""Lets the tests here import `standalone` beside them, as `gateway_standalone`."""

import importlib.util
import sys
from pathlib import Path

# With --import-mode=importlib, no module is found by its name.
spec = importlib.util.spec_from_file_location("gateway_standalone", Path(__file__).with_name("standalone.py"))
assert spec is not None
assert spec.loader is not None
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
