"""Where things are."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
REPOSITORY = PROJECT.parents[1]
AUTHORITY = PROJECT / "tests" / "support" / "database-ca.pem"
VENV = PROJECT / ".venv"
TOOLS = VENV / "tools" / "bin"
PLUGIN = VENV / "plugin"
JWT_KEY = VENV / "jwt-key.pem"
NODE = REPOSITORY / "node_modules" / ".bin" / "node"
MAIN = REPOSITORY / "src" / "cli" / "main.ts"

_LIST = PROJECT / "tests" / "requirements" / "tutor-versions.txt"
VERSIONS = [line.split()[0] for line in _LIST.read_text().splitlines()]
OLDEST, NEWEST = VERSIONS[0], VERSIONS[-1]

#: The newest Caddy, and the oldest that can be had as a package. That of Tutor 19 to 21 is 2.7.4.
CADDIES = {"new": TOOLS / "caddy", "old": VENV / "caddy-old" / "bin" / "caddy"}
