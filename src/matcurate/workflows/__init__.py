"""The arrows of the loop, one function each, for the command line, the backend and the worker alike."""
