"""The worker: a process that does the jobs which the catalog says are ready, carried by huey."""
