"""What ``GET /metrics`` reports, in a registry of its own (several apps can live in one process)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters of one backend."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.predictions = Counter(
            "matcurate_predictions", "Tasks answered by /predict.", ["source"], registry=self.registry
        )
        self.predict_seconds = Histogram(
            "matcurate_predict_seconds",
            "Seconds to answer one /predict call.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 100),
            registry=self.registry,
        )
        self.webhooks = Counter("matcurate_webhooks", "Webhook calls accepted.", ["action"], registry=self.registry)
        self.corrections = Counter(
            "matcurate_corrections", "Corrections taken into the catalog.", ["outcome"], registry=self.registry
        )
        self.inbox_pending = Gauge("matcurate_inbox_pending", "Webhooks not handled yet.", registry=self.registry)

    def render(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)
