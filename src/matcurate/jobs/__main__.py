"""``python -m matcurate.jobs``: what ``curate worker`` runs."""

import sys

from matcurate.jobs.worker import main

if __name__ == "__main__":
    sys.exit(main())
