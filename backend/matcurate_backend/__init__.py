"""The Label Studio ML backend over HTTP."""
