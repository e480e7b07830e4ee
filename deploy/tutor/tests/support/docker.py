"""
Stands in for docker. Notes each call in the file DOCKER_LOG. A job that Tutor gives to "docker compose run" is run for
real, if DOCKER_JOBS has its service: as JSON, for each service the folder and the environment to run its script in.
"""

import json
import os
import subprocess
import sys

arguments = sys.argv[1:]
with open(os.environ["DOCKER_LOG"], "a", encoding="utf-8") as log:
    log.write(json.dumps(arguments) + "\n")
if "ls" in arguments:
    print("[]")
if "run" in arguments and arguments[-4:-1] == ["sh", "-e", "-c"]:
    job = json.loads(os.environ.get("DOCKER_JOBS", "{}")).get(arguments[-5])
    if job is not None:
        sys.exit(subprocess.run(arguments[-4:], cwd=job["folder"], env=job["environment"], check=False).returncode)
