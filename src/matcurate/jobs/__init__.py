"""Durable work: what jobs there are, the schedule, and the worker that does them."""
