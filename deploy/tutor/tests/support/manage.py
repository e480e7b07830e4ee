#!/usr/bin/env python3
"""Stands in for the LMS's manage.py: adds its arguments, as a line of JSON, to the file calls beside it."""

import json
import sys
from pathlib import Path

with Path(__file__).with_name("calls").open("a", encoding="utf-8") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\n")
