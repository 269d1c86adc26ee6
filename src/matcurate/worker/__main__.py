"""``python -m matcurate.worker``: what ``curate worker`` runs."""

import sys

from matcurate.worker.service import main

if __name__ == "__main__":
    sys.exit(main())
