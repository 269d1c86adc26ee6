"""``python -m matcurate.jobs``: what ``curate worker`` runs."""

import os
import sys

from matcurate.jobs.worker import main

if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a job that did not stop in time must not hold the process: it waits for the next worker
